// SPDX-License-Identifier: GPL-2.0 OR MIT

//! FUSE: who gets to its objects, and which permissions the kernel checks.

use kernel::fs::{
    mode::{Mask, Valid},
    permission::{Access, CheckError, CheckResult, InodeAttrs},
};
use rustix::io::Errno;

use super::{
    caller::Caller,
    decide::Deciding,
    mount::MountView,
    node::Node,
    trace::Stop,
    view::{MapView, raw},
};

impl MountView {
    /// Whether a server has its objects.
    pub(super) fn is_fuse(&self) -> bool {
        let name = &*self.filesystem;
        matches!(name, "fuse" | "fuseblk") || name.starts_with("fuse.")
    }

    /// The user and the group that get to its objects, if nobody else does.
    pub(super) fn only_for(&self) -> Option<(u32, u32)> {
        if !self.is_fuse() || self.has_option("allow_other") {
            return None;
        }
        Some((self.number("user_id=")?, self.number("group_id=")?))
    }

    /// Whether the server checks permissions and the kernel does not.
    pub(super) fn is_checked_by_server(&self) -> bool {
        self.is_fuse() && !self.has_option("default_permissions")
    }

    /// The cause and the remedy where this program does not get to its objects.
    pub(super) fn why_closed(&self) -> Option<String> {
        let (user, group) = self.only_for()?;
        Some(format!(
            "the {} at {} was mounted without the option allow_other: only user {user} with group \
             {group} gets to its objects, root does not; run this program as that user",
            self.filesystem,
            self.target.display()
        ))
    }
}

/// Why a caller does not get to an object, if so. Mirrors `fuse_allow_current_process()`.
pub(super) fn why_not(caller: &Caller, node: &Node) -> Option<String> {
    let (user, group) = node.mount.only_for()?;
    if (raw(caller.user), raw(caller.group)) == (user, group) {
        return None;
    }
    Some(format!(
        "the {} was mounted without the option allow_other, for user {user} with group {group} only",
        node.mount.filesystem
    ))
}

/// Mirrors `fuse_permission()`; [`None`] on other filesystems.
pub(super) fn permission(
    access: Access<'_, &Caller, MapView>,
    caller: &Caller,
    node: &Node,
    mask: Mask,
) -> Option<CheckResult> {
    if !node.mount.is_fuse() {
        return None;
    }
    let mode = node.mode();
    let is_program = mask.has(Mask::MAY_EXEC) && mode.is_reg();
    Some(if why_not(caller, node).is_some() {
        Err(CheckError::EACCES)
    } else if !node.mount.is_checked_by_server() {
        access.mapped_generic_permission(node, mask)
    } else if is_program && mode.bits() & 0o111 == 0 {
        Err(CheckError::EACCES)
    } else {
        Ok(())
    })
}

/// Mirrors the check of `fuse_getattr()`.
pub(super) fn may_getattr(deciding: &mut Deciding<'_>, node: &Node) -> Result<(), Stop> {
    match why_not(deciding.caller, node) {
        Some(why) => {
            let what = "reading its attributes".to_owned();
            let trace = &mut deciding.trace;
            trace.refuse("fuse_getattr", what, Errno::ACCESS, why)
        }
        None => Ok(()),
    }
}

/// What `fuse_do_setattr()` adds to a change: without the option default_permissions, the server
/// checks it.
pub(super) fn setattr(node: &Node) -> Valid {
    match node.mount.is_checked_by_server() {
        true => Valid::ATTR_FORCE,
        false => Valid::EMPTY,
    }
}
