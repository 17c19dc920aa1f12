//! Stands in for the unwinder of the static release binary, which has nothing to unwind.
//!
//! A panic aborts that binary once its message is printed, and neither unwind tables (see `build.rs`) nor symbols are left for a
//! backtrace. The standard library brings an unwinder and a reader of debug information all the same: both are reached from
//! [`_Unwind_Backtrace`] alone. One that finds no frame lets the linker leave them out: 252 KB of 2.65 MB on x86_64, 199 KB
//! of 2.23 MB on aarch64. A release of Rust that needs more of the unwinder fails to link, and does not misbehave.
#![expect(unsafe_code, reason = "the linker finds these by their names")]

use std::ffi::{c_int, c_void};
use std::process::abort;

/// `_URC_END_OF_STACK`.
const END_OF_STACK: c_int = 5;

type Trace = extern "C" fn(*mut c_void, *mut c_void) -> c_int;

#[unsafe(no_mangle)]
extern "C" fn _Unwind_Backtrace(_: Trace, _: *mut c_void) -> c_int {
    END_OF_STACK
}

/// Functions that nothing calls unless something unwinds.
macro_rules! absent {
    ($($name:ident)*) => {
        $(#[unsafe(no_mangle)]
        extern "C" fn $name() -> ! {
            abort()
        })*
    };
}

absent! {
    _Unwind_GetDataRelBase
    _Unwind_GetIP
    _Unwind_GetIPInfo
    _Unwind_GetLanguageSpecificData
    _Unwind_GetRegionStart
    _Unwind_GetTextRelBase
    _Unwind_Resume
    _Unwind_SetGR
    _Unwind_SetIP
}
