// SPDX-License-Identifier: GPL-2.0

//! The mount options.

use crate::{
    limits::{
        InUse,
        Limits, //
    },
    Mounted,
    RustIdmapFs, //
};
use kernel::{
    fs::{
        context::{
            ContextOperations,
            FsContext,
            Parameter, //
        },
        memfs,
        super_block::SuperBlock,
        xattr::XattrCache, //
    },
    page::PAGE_SIZE,
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    uidgid::{
        FsGid,
        FsUid, //
    },
};

/// The permissions of the root directory where no others are given, as of `/tmp`.
const DEFAULT_MODE: u16 = 0o1777;

/// The options that are given.
#[derive(Default)]
pub(crate) struct Options {
    mode: Option<u16>,
    uid: Option<FsUid>,
    gid: Option<FsGid>,
    /// In pages; within, [`None`] is without a limit.
    size: Option<Option<u64>>,
    nr_inodes: Option<Option<u64>>,
}

/// What cannot be changed while it is mounted.
pub(crate) struct Settings {
    pub(crate) mode: u16,
    pub(crate) uid: FsUid,
    pub(crate) gid: FsGid,
}

impl Settings {
    /// Shows what is not as it is by default.
    pub(crate) fn show(&self, sb: &SuperBlock<RustIdmapFs>, limits: &Limits, seq: &SeqFile) {
        if let Some(pages) = limits.pages().most {
            let kib = pages.saturating_mul(PAGE_SIZE as u64 / 1024);
            seq_print!(seq, ",size={kib}k");
        }
        if let Some(inodes) = limits.inodes().most {
            seq_print!(seq, ",nr_inodes={inodes}");
        }
        if self.mode != DEFAULT_MODE {
            seq_print!(seq, ",mode={:o}", self.mode);
        }
        // As the user namespace calls them in which it was mounted.
        let names = sb.user_ns();
        match names.from_kid(Some(self.uid)) {
            Some(uid) if uid.get() != 0 => seq_print!(seq, ",uid={}", uid.get()),
            _ => {}
        }
        match names.from_kid(Some(self.gid)) {
            Some(gid) if gid.get() != 0 => seq_print!(seq, ",gid={}", gid.get()),
            _ => {}
        }
    }
}

/// Reads a number, perhaps with one of the suffixes k, m, g, t for powers of 1024.
fn number(text: &CStr) -> Option<u64> {
    let text = text.to_bytes();
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
        number = number
            .checked_mul(10)?
            .checked_add(u64::from(digit.wrapping_sub(b'0')))?;
    }
    number.checked_mul(1 << shift)
}

/// Reads a limit: a number, of which zero is without a limit.
fn limit(context: &FsContext, name: &str, text: &CStr) -> Result<Option<u64>> {
    match number(text) {
        Some(0) => Ok(None),
        Some(number) => Ok(Some(number)),
        None => Err(context.invalid(fmt!(
            "{name}={text}: not a number below 2^64, which may end in k, m, g or t"
        ))),
    }
}

#[vtable]
impl ContextOperations for RustIdmapFs {
    const PARAMETERS: &'static [Parameter<Options>] = &[
        Parameter::octal(c"mode", |options, context, mode| {
            match u16::try_from(mode) {
                Ok(mode) if mode <= 0o7777 => options.mode = Some(mode),
                _ => {
                    return Err(context.invalid(fmt!("mode={mode:o}: not permissions, up to 7777")))
                }
            }
            Ok(())
        }),
        Parameter::uid(c"uid", |options, context, uid| {
            // The filesystem stores what its own user namespace has.
            options.uid = Some(context.stored(uid).ok_or_else(|| {
                context.invalid(fmt!("uid: not mapped in the user namespace of the mount"))
            })?);
            Ok(())
        }),
        Parameter::gid(c"gid", |options, context, gid| {
            options.gid = Some(context.stored(gid).ok_or_else(|| {
                context.invalid(fmt!("gid: not mapped in the user namespace of the mount"))
            })?);
            Ok(())
        }),
        Parameter::text(c"size", |options, context, text| {
            let bytes = limit(context, "size", text)?;
            options.size = Some(bytes.map(|bytes| bytes.div_ceil(PAGE_SIZE as u64)));
            Ok(())
        }),
        Parameter::text(c"nr_inodes", |options, context, text| {
            options.nr_inodes = Some(limit(context, "nr_inodes", text)?);
            Ok(())
        }),
    ];

    fn options(_context: &FsContext) -> Result<Options> {
        Ok(Options::default())
    }

    fn data(options: Options, context: &FsContext) -> impl PinInit<Mounted, Error> {
        let mounted = || {
            let settings = Settings {
                mode: options.mode.unwrap_or(DEFAULT_MODE),
                uid: match options.uid {
                    Some(uid) => uid,
                    None => context.caller()?.0,
                },
                gid: match options.gid {
                    Some(gid) => gid,
                    None => context.caller()?.1,
                },
            };
            // Half of the memory, and an inode for each page of it.
            let half = Some(memfs::half_of_memory());
            let limits = Limits::new(
                options.size.unwrap_or(half),
                options.nr_inodes.unwrap_or(half),
            )?;
            Ok(Mounted {
                settings,
                limits,
                xattrs: XattrCache::new()?,
            })
        };
        mounted()
    }

    fn reconfigure(
        super_block: &SuperBlock<Self>,
        options: &Options,
        context: &FsContext,
    ) -> Result {
        let mounted = super_block.data();
        let settings = &mounted.settings;
        let other = |what| context.invalid(fmt!("{what}: cannot be changed while it is mounted"));
        if options.mode.is_some_and(|mode| mode != settings.mode) {
            return Err(other("mode"));
        }
        if options.uid.is_some_and(|uid| uid != settings.uid) {
            return Err(other("uid"));
        }
        if options.gid.is_some_and(|gid| gid != settings.gid) {
            return Err(other("gid"));
        }
        let changed = mounted.limits.change(options.size, options.nr_inodes);
        changed.map_err(|in_use| {
            let option = match in_use {
                InUse::Pages => "size",
                InUse::Inodes => "nr_inodes",
            };
            context.invalid(fmt!("{option}: less than is in use"))
        })
    }
}
