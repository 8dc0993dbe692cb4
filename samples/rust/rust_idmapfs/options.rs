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
        super_block::SuperBlock, //
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

/// The default permission bits of the root directory, as for `/tmp`.
const DEFAULT_MODE: u16 = 0o1777;

/// The options of a mount that were parsed.
#[derive(Default)]
pub(crate) struct Options {
    mode: Option<u16>,
    uid: Option<FsUid>,
    gid: Option<FsGid>,
    /// The limit in pages. `Some(None)` is no limit.
    size: Option<Option<u64>>,
    nr_inodes: Option<Option<u64>>,
}

/// The options that cannot be changed while the filesystem is mounted.
pub(crate) struct Settings {
    pub(crate) mode: u16,
    pub(crate) uid: FsUid,
    pub(crate) gid: FsGid,
}

impl Settings {
    /// Shows the limits, 0 for no limit, and the other options that are not the default.
    pub(crate) fn show(&self, sb: &SuperBlock<RustIdmapFs>, limits: &Limits, seq: &SeqFile) {
        let pages = limits.pages().max.unwrap_or(0);
        let kib = pages.saturating_mul(PAGE_SIZE as u64 / 1024);
        seq_print!(seq, ",size={kib}k");
        let inodes = limits.inodes().max.unwrap_or(0);
        seq_print!(seq, ",nr_inodes={inodes}");
        if self.mode != DEFAULT_MODE {
            seq_print!(seq, ",mode={:o}", self.mode);
        }
        // In the user namespace of the filesystem.
        let ns = sb.user_ns();
        match ns.from_kid(Some(self.uid)) {
            Some(uid) if uid.get() != 0 => seq_print!(seq, ",uid={}", uid.get()),
            _ => {}
        }
        match ns.from_kid(Some(self.gid)) {
            Some(gid) if gid.get() != 0 => seq_print!(seq, ",gid={}", gid.get()),
            _ => {}
        }
    }
}

/// Returns the limit of an option: 0 is no limit.
fn limit(number: u64) -> Option<u64> {
    (number != 0).then_some(number)
}

#[vtable]
impl ContextOperations for RustIdmapFs {
    const PARAMETERS: &'static [Parameter<Options>] = &[
        Parameter::octal(c"mode", |options, context, mode| {
            match u16::try_from(mode) {
                Ok(mode) if mode <= 0o7777 => {
                    options.mode = Some(mode);
                    Ok(())
                }
                _ => Err(context.invalid(fmt!("mode={mode:o}: the maximum is 7777"))),
            }
        }),
        Parameter::uid(c"uid", |options, context, uid| {
            let uid = context.stored(uid);
            options.uid = Some(uid.ok_or_else(|| {
                context.invalid(fmt!("uid: not mapped in the user namespace of the mount"))
            })?);
            Ok(())
        }),
        Parameter::gid(c"gid", |options, context, gid| {
            let gid = context.stored(gid);
            options.gid = Some(gid.ok_or_else(|| {
                context.invalid(fmt!("gid: not mapped in the user namespace of the mount"))
            })?);
            Ok(())
        }),
        Parameter::size(c"size", |options, _, bytes| {
            options.size = Some(limit(bytes.div_ceil(PAGE_SIZE as u64)));
            Ok(())
        }),
        Parameter::size(c"nr_inodes", |options, _, number| {
            options.nr_inodes = Some(limit(number));
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
            Ok(Mounted { settings, limits })
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
        let fixed = |name| {
            context.invalid(fmt!(
                "{name}: cannot be changed while the filesystem is mounted"
            ))
        };
        if options.mode.is_some_and(|mode| mode != settings.mode) {
            return Err(fixed("mode"));
        }
        if options.uid.is_some_and(|uid| uid != settings.uid) {
            return Err(fixed("uid"));
        }
        if options.gid.is_some_and(|gid| gid != settings.gid) {
            return Err(fixed("gid"));
        }
        let changed = mounted.limits.change(options.size, options.nr_inodes);
        changed.map_err(|in_use| {
            let option = match in_use {
                InUse::Pages => "size",
                InUse::Inodes => "nr_inodes",
            };
            context.invalid(fmt!("{option}: below the number in use"))
        })
    }
}
