//! A list in progress: its pages, and when it has no end.

use super::WatchEvent;
use super::frames::{self, Page};
use crate::fields::Read;
use crate::sieve::{Kept, Limits};
use crate::status::Error;

/// The longest token to go on with, in bytes. Those of real servers hold a version and a name: some 400.
pub(super) const CONTINUE_BYTES_MAX: usize = 8 * 1024;
/// How many pages in a row may be empty although the list goes on. Real servers fill all but the last.
pub(super) const EMPTY_PAGES_MAX: u32 = 16;
/// The most objects that are read of a list: some ten times what a cluster is made for.
pub(super) const ITEMS_MAX: u64 = 1024 * 1024;

/// A list in progress.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) continue_token: String,
    /// As of when the list is, as the pages so far say.
    pub(super) version: String,
    /// Whether it was told that the list begins.
    pub(super) is_begun: bool,
    pub(super) items: u64,
    pub(super) page_items: u32,
    empty_pages: u32,
    /// What stands around the items of the page, once all of that has come.
    pub(super) page: Option<Page>,
}

impl Listing {
    /// What is wrong with the page that was read to its end, if anything. Counts it.
    pub(super) fn turn_page(&mut self) -> Result<Page, Error> {
        let page = self.page.take().ok_or_else(|| {
            let cause = "it ends in the middle".to_owned();
            Error::Decode { what: "the list".to_owned(), cause }
        })?;
        if self.version.is_empty() {
            page.resource_version.clone_into(&mut self.version);
        }
        self.empty_pages = if std::mem::take(&mut self.page_items) == 0 { self.empty_pages + 1 } else { 0 };
        let is_last = page.continue_token.is_empty();
        if page.continue_token.len() > CONTINUE_BYTES_MAX {
            return Err(endless("its continue token is too long".to_owned()));
        }
        if !is_last && (page.continue_token == self.continue_token || self.empty_pages > EMPTY_PAGES_MAX) {
            return Err(endless("its pages no longer hold any object".to_owned()));
        }
        page.continue_token.clone_into(&mut self.continue_token);
        Ok(page)
    }

    /// Takes what has come of a page: an item, or all that stands around them.
    pub(super) fn take<T: Read>(
        &mut self,
        kept: &Kept<'_>,
        limits: Limits,
    ) -> Result<Option<WatchEvent<T>>, Error> {
        if !kept.is_item {
            let page = Page::read(kept)?;
            self.page.get_or_insert(page);
            return Ok(None);
        }
        (self.items, self.page_items) = (self.items + 1, self.page_items.saturating_add(1));
        if self.items > ITEMS_MAX {
            return Err(endless(format!("it has more than {ITEMS_MAX} objects")));
        }
        Ok(Some(frames::item(kept, limits)))
    }
}

pub(super) fn endless(cause: String) -> Error {
    Error::Endless { what: "the list".to_owned(), cause }
}
