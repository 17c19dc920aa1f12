//! Reads JSON from its first byte to its last, once.
//!
//! Owns the structure: objects, lists, where a value ends. Leaves numbers to their readers, and escaped text and whole trees to
//! serde. Invariants: it never goes back; where the text is no JSON it goes to the end, and that is a fault; what is skipped
//! is only looked at for its end.

use std::borrow::Cow;

use serde_json::Value;

use super::Faults;
use crate::sieve::value_bytes;

/// A place in a text. See the module.
#[derive(Debug)]
pub struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// At the beginning of a text.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The byte that comes next, beyond white space; 0 at the end.
    pub fn peek(&mut self) -> u8 {
        loop {
            match self.text.as_bytes().get(self.at) {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                Some(&byte) => return byte,
                None => return 0,
            }
        }
    }

    /// Goes to the end, since nothing that follows is of interest.
    pub fn stop(&mut self) {
        self.at = self.text.len();
    }

    /// Passes over a value and brings its text; empty where there is none.
    pub fn value(&mut self, faults: &mut Faults) -> &'a str {
        let _ = self.peek();
        let text = self.text;
        let rest = text.get(self.at..).unwrap_or_default();
        let Some(value) = value_bytes(rest.as_bytes()).and_then(|bytes| rest.get(..bytes)) else {
            self.broken(faults);
            return "";
        };
        self.at += value.len();
        value
    }

    /// Reads a value that is text.
    pub fn text(&mut self, faults: &mut Faults) -> Cow<'a, str> {
        let value = self.value(faults);
        let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        match inner {
            Some(inner) if !inner.contains('\\') => Cow::Borrowed(inner),
            _ => Cow::Owned(serde_json::from_str(value).unwrap_or_else(|_| {
                self.broken(faults);
                String::new()
            })),
        }
    }

    /// Reads a value of any kind as a tree.
    pub fn tree(&mut self, faults: &mut Faults) -> Value {
        serde_json::from_str(self.value(faults)).unwrap_or_else(|_| {
            self.broken(faults);
            Value::Null
        })
    }

    /// Passes over a null, if there is one. Whether there was.
    pub fn skips_null(&mut self, faults: &mut Faults) -> bool {
        self.peek() == b'n' && self.value(faults) == "null"
    }

    /// Hands each member of an object, with its name, to `each`, which reads it. None where there is null, or a fault.
    pub fn members(&mut self, faults: &mut Faults, each: &mut dyn FnMut(&str, &mut Self, &mut Faults)) {
        if !self.opens(b'{', "an object", faults) {
            return;
        }
        let mut is_over = self.takes(b'}');
        while !is_over {
            let name = self.text(faults);
            if !self.takes(b':') {
                return self.broken(faults);
            }
            each(&name, self, faults);
            is_over = self.ends(b'}', faults);
        }
    }

    /// Hands each element of a list to `each`, which reads it. None where there is null, or a fault.
    pub fn list(&mut self, faults: &mut Faults, each: &mut dyn FnMut(&mut Self, &mut Faults)) {
        if !self.opens(b'[', "a list", faults) {
            return;
        }
        let mut is_over = self.takes(b']');
        while !is_over {
            each(self, faults);
            is_over = self.ends(b']', faults);
        }
    }

    /// Whether an object or a list begins here; it is a fault if that is neither it nor null.
    fn opens(&mut self, byte: u8, wanted: &str, faults: &mut Faults) -> bool {
        if self.takes(byte) {
            return true;
        }
        if self.value(faults) != "null" {
            faults.expected(wanted);
        }
        false
    }

    /// After a part of an object or a list: whether it was the last one.
    fn ends(&mut self, end: u8, faults: &mut Faults) -> bool {
        if self.takes(b',') {
            return false;
        }
        if !self.takes(end) {
            self.broken(faults);
        }
        true
    }

    fn takes(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == byte;
        self.at += usize::from(is_there);
        is_there
    }

    fn broken(&mut self, faults: &mut Faults) {
        faults.expected("to be read");
        self.stop();
    }
}
