// SPDX-License-Identifier: GPL-2.0

//! Mount options: `struct fs_parameter_spec`.

use super::FsContext;
use crate::{
    bindings,
    prelude::*,
    str::as_char_ptr_in_const_context,
    uidgid::{
        Kgid,
        Kuid, //
    },
};

/// The type of the value of an option, and the function that is called with it.
///
/// The function gets the context, to log an error and to map ids.
enum ParamKind<O> {
    Octal(fn(&mut O, &FsContext, u32) -> Result),
    Number(fn(&mut O, &FsContext, u64) -> Result),
    Size(fn(&mut O, &FsContext, u64) -> Result),
    Bool(fn(&mut O, &FsContext, bool) -> Result),
    Choice(
        &'static [&'static CStr],
        fn(&mut O, &FsContext, usize) -> Result,
    ),
    Text(fn(&mut O, &FsContext, &CStr) -> Result),
    Uid(fn(&mut O, &FsContext, Kuid) -> Result),
    Gid(fn(&mut O, &FsContext, Kgid) -> Result),
    Flag(fn(&mut O, &FsContext) -> Result),
}

/// A mount option: its name, the type of its value, and the function that is called with the value.
///
/// A value of another type is refused with an error message before the function is called.
///
/// # Examples
///
/// ```
/// use kernel::fs::context::Parameter;
///
/// #[derive(Default)]
/// struct Options {
///     mode: Option<u32>,
///     size: Option<u64>,
///     compress: bool,
///     errors: usize,
/// }
///
/// const PARAMETERS: &[Parameter<Options>] = &[
///     Parameter::octal(c"mode", |options, _, mode| {
///         options.mode = Some(mode);
///         Ok(())
///     }),
///     Parameter::size(c"size", |options, _, bytes| {
///         options.size = Some(bytes);
///         Ok(())
///     }),
///     Parameter::bool(c"compress", |options, _, compress| {
///         options.compress = compress;
///         Ok(())
///     }),
///     Parameter::choice(c"errors", &[c"continue", c"remount-ro"], |options, _, index| {
///         options.errors = index;
///         Ok(())
///     }),
/// ];
/// # assert_eq!(PARAMETERS.len(), 4);
/// ```
pub struct Parameter<O> {
    name: &'static CStr,
    kind: ParamKind<O>,
}

impl<O> Parameter<O> {
    /// An option with an octal number below 2^32: `mode=755`.
    pub const fn octal(name: &'static CStr, set: fn(&mut O, &FsContext, u32) -> Result) -> Self {
        let kind = ParamKind::Octal(set);
        Self { name, kind }
    }

    /// An option with a number below 2^64, decimal or with a prefix of C: `nr_inodes=100`.
    pub const fn number(name: &'static CStr, set: fn(&mut O, &FsContext, u64) -> Result) -> Self {
        let kind = ParamKind::Number(set);
        Self { name, kind }
    }

    /// An option with a decimal number below 2^64 that may end in k, m, g or t, for powers of 1024:
    /// `size=64m`.
    pub const fn size(name: &'static CStr, set: fn(&mut O, &FsContext, u64) -> Result) -> Self {
        let kind = ParamKind::Size(set);
        Self { name, kind }
    }

    /// An option with one of 0, 1, no, yes, false, true: `compress=yes`.
    pub const fn bool(name: &'static CStr, set: fn(&mut O, &FsContext, bool) -> Result) -> Self {
        let kind = ParamKind::Bool(set);
        Self { name, kind }
    }

    /// An option with one of several words. The function gets the index of the word:
    /// `errors=remount-ro`.
    pub const fn choice(
        name: &'static CStr,
        words: &'static [&'static CStr],
        set: fn(&mut O, &FsContext, usize) -> Result,
    ) -> Self {
        let kind = ParamKind::Choice(words, set);
        Self { name, kind }
    }

    /// An option with a string that is not empty.
    pub const fn text(name: &'static CStr, set: fn(&mut O, &FsContext, &CStr) -> Result) -> Self {
        let kind = ParamKind::Text(set);
        Self { name, kind }
    }

    /// An option with a user id, in the user namespace of the caller: `uid=1000`.
    pub const fn uid(name: &'static CStr, set: fn(&mut O, &FsContext, Kuid) -> Result) -> Self {
        let kind = ParamKind::Uid(set);
        Self { name, kind }
    }

    /// An option with a group id, in the user namespace of the caller: `gid=1000`.
    pub const fn gid(name: &'static CStr, set: fn(&mut O, &FsContext, Kgid) -> Result) -> Self {
        let kind = ParamKind::Gid(set);
        Self { name, kind }
    }

    /// An option without a value.
    pub const fn flag(name: &'static CStr, set: fn(&mut O, &FsContext) -> Result) -> Self {
        let kind = ParamKind::Flag(set);
        Self { name, kind }
    }

    /// Returns the C description of the option.
    pub(super) const fn spec(&self, opt: u8) -> bindings::fs_parameter_spec {
        let mut spec: bindings::fs_parameter_spec = pin_init::zeroed();
        spec.name = as_char_ptr_in_const_context(self.name);
        spec.opt = opt;
        match self.kind {
            ParamKind::Octal(_) => {
                spec.type_ = Some(bindings::fs_param_is_u32);
                // The base of the number.
                spec.data = core::ptr::without_provenance(8);
            }
            ParamKind::Number(_) => spec.type_ = Some(bindings::fs_param_is_u64),
            ParamKind::Bool(_) => spec.type_ = Some(bindings::fs_param_is_bool),
            ParamKind::Size(_) | ParamKind::Choice(..) | ParamKind::Text(_) => {
                spec.type_ = Some(bindings::fs_param_is_string);
            }
            ParamKind::Uid(_) => spec.type_ = Some(bindings::fs_param_is_uid),
            ParamKind::Gid(_) => spec.type_ = Some(bindings::fs_param_is_gid),
            ParamKind::Flag(_) => {}
        }
        spec
    }

    /// Calls the function of the option with the value that C parsed.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if the value is not a size or not one of the words; otherwise the error of the
    /// function.
    ///
    /// # Safety
    ///
    /// `parameter` and `result` must be those of a call of `__fs_parse()` that returned the option
    /// of [`Self::spec`].
    pub(super) unsafe fn set(
        &self,
        options: &mut O,
        context: &FsContext,
        parameter: &bindings::fs_parameter,
        result: &bindings::fs_parse_result,
    ) -> Result {
        let value = &result.__bindgen_anon_1;
        let name = self.name;
        match self.kind {
            // SAFETY: `fs_param_is_u32()` stores this field.
            ParamKind::Octal(set) => set(options, context, unsafe { value.uint_32 }),
            // SAFETY: `fs_param_is_u64()` stores this field.
            ParamKind::Number(set) => set(options, context, unsafe { value.uint_64 }),
            // SAFETY: `fs_param_is_bool()` stores this field.
            ParamKind::Bool(set) => set(options, context, unsafe { value.boolean }),
            ParamKind::Size(set) => {
                // SAFETY: `fs_param_is_string()` has checked that the value is a string.
                let text = unsafe { CStr::from_char_ptr(parameter.__bindgen_anon_1.string) };
                match parse_size(text.to_bytes()) {
                    Some(size) => set(options, context, size),
                    None => Err(context.invalid(fmt!(
                        "{name}={text}: not a number below 2^64, which may end in k, m, g or t"
                    ))),
                }
            }
            ParamKind::Choice(words, set) => {
                // SAFETY: `fs_param_is_string()` has checked that the value is a string.
                let text = unsafe { CStr::from_char_ptr(parameter.__bindgen_anon_1.string) };
                match words.iter().position(|word| *word == text) {
                    Some(index) => set(options, context, index),
                    None => Err(context.invalid(fmt!("{name}={text}: unknown value"))),
                }
            }
            ParamKind::Text(set) => {
                // SAFETY: `fs_param_is_string()` has checked that the value is a string.
                let text = unsafe { CStr::from_char_ptr(parameter.__bindgen_anon_1.string) };
                set(options, context, text)
            }
            ParamKind::Uid(set) => {
                // SAFETY: `fs_param_is_uid()` stores this field.
                let uid = Kuid::from_c(unsafe { value.uid.val }).ok_or(EINVAL)?;
                set(options, context, uid)
            }
            ParamKind::Gid(set) => {
                // SAFETY: `fs_param_is_gid()` stores this field.
                let gid = Kgid::from_c(unsafe { value.gid.val }).ok_or(EINVAL)?;
                set(options, context, gid)
            }
            ParamKind::Flag(set) => set(options, context),
        }
    }
}

/// Parses a decimal number that may end in k, m, g or t, for powers of 1024.
fn parse_size(text: &[u8]) -> Option<u64> {
    let (digits, shift) = match text.split_last()? {
        (b'k' | b'K', digits) => (digits, 10),
        (b'm' | b'M', digits) => (digits, 20),
        (b'g' | b'G', digits) => (digits, 30),
        (b't' | b'T', digits) => (digits, 40),
        _ => (text, 0),
    };
    if digits.is_empty() {
        return None;
    }
    let mut number = 0u64;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        let digit = u64::from(digit.wrapping_sub(b'0'));
        number = number.checked_mul(10)?.checked_add(digit)?;
    }
    number.checked_mul(1 << shift)
}
