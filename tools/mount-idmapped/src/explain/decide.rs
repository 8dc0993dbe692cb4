// SPDX-License-Identifier: GPL-2.0

//! The order in which the kernel asks, operation by operation: opening and running.
//!
//! Each answer is one of the decisions that the kernel's own code takes; what is written down here
//! is which of them `fs/open.c`, `fs/namei.c`, `fs/xattr.c` and `fs/exec.c` ask for, one after the
//! other.

use std::path::Path;

use kernel::fs::{
    mode::{InodeFlags, Mask, Mode},
    permission::{InodeAttrs, Ownership, Protected},
};
use rustix::io::Errno;

use super::{
    attributes, names,
    node::Node,
    operation::{OpenMode, Operation},
    sight::Sight,
    trace::Stop,
    walk::{Found, Target, Walk},
};

/// What the machine is set to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) protected: Protected,
    pub(super) protected_symlinks: bool,
    pub(super) protected_hardlinks: bool,
    /// The bits that this program leaves out of the modes of what it makes.
    pub(super) umask: u16,
    /// What `stat()` shows for users and groups without a name.
    pub(super) overflow: (u32, u32),
}

/// What an operation that is not refused does.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Done {
    /// What is stored afterwards, if it makes something or changes owner, group or mode. Of what is
    /// made the mode is [`Mode::EMPTY`] where it depends on a default ACL.
    pub(super) after: Option<Ownership>,
}

/// Goes through the questions of an operation.
pub(super) struct Deciding<'a, 'b> {
    pub(super) walk: &'b mut Walk<'a>,
    pub(super) settings: Settings,
    /// What is shown of the object, or of the folder that it is missing in.
    pub(super) sight: Option<Sight>,
}

impl Deciding<'_, '_> {
    pub(super) fn run(&mut self, operation: &Operation, path: &Path) -> Result<Done, Stop> {
        match operation {
            Operation::Stat => self.lookup(path, true).map(|_| Done::default()),
            Operation::Open(OpenMode::Create) => self.open_or_create(path),
            Operation::Open(mode) => self.open(path, *mode),
            Operation::Exec => self.exec(path),
            Operation::Create => names::create(self, path),
            Operation::Mkdir => names::make(self, path, Mode::new(0o040777)),
            Operation::Mkfifo => names::make(self, path, Mode::new(0o010666)),
            Operation::Symlink => names::make(self, path, Mode::new(0o120777)),
            Operation::Tmpfile => names::tmpfile(self, path),
            Operation::Unlink => names::unlink(self, path),
            Operation::Rmdir => names::rmdir(self, path),
            Operation::Rename(to) => names::rename(self, path, to),
            Operation::Link(to) => names::link(self, path, to),
            Operation::Chmod(mode) => attributes::chmod(self, path, *mode),
            Operation::Chown(user, group) => attributes::chown(self, path, *user, *group),
            Operation::Touch => attributes::set_times(self, path, true),
            Operation::SetTimes => attributes::set_times(self, path, false),
            Operation::Truncate => attributes::truncate(self, path),
            Operation::SetXattr(name) => attributes::set_xattr(self, path, name),
            Operation::SetCap(root) => attributes::set_cap(self, path, *root),
            Operation::SetFacl(entry) => attributes::set_facl(self, path, *entry),
        }
    }

    /// What a path leads to, which is then what is shown.
    pub(super) fn lookup(&mut self, path: &Path, follow: bool) -> Result<Found, Stop> {
        let found = self.walk.lookup(path, follow)?;
        self.show(&found.node);
        Ok(found)
    }

    pub(super) fn show(&mut self, node: &Node) {
        self.sight = Some(Sight::of(self.walk.caller, node, self.settings.overflow));
    }

    /// Whether anything is written through the mount: `mnt_want_write()`.
    pub(super) fn want_write(&mut self, node: &Node) -> Result<(), Stop> {
        self.walk.trace.refuse_if(
            node.mount.is_read_only(),
            "mnt_want_write",
            "writing through the mount",
            Errno::ROFS,
            "the mount or its filesystem is read-only",
        )
    }

    fn open(&mut self, path: &Path, mode: OpenMode) -> Result<Done, Stop> {
        let found = self.lookup(path, true)?;
        self.open_found(&found.node, mode)
    }

    /// Mirrors `do_open()` for what exists.
    fn open_found(&mut self, node: &Node, mode: OpenMode) -> Result<Done, Stop> {
        let mask = match mode {
            OpenMode::Read => Mask::MAY_READ,
            OpenMode::Write | OpenMode::Create => Mask::MAY_WRITE,
            OpenMode::ReadWrite => Mask::MAY_READ.with(Mask::MAY_WRITE),
            OpenMode::Append => Mask::MAY_WRITE.with(Mask::MAY_APPEND),
        };
        self.may_open(node, mask)?;
        let writes = mask.has(Mask::MAY_WRITE);
        self.walk.trace.refuse_if(
            node.flags().has(InodeFlags::S_APPEND) && writes && mode != OpenMode::Append,
            "may_open",
            "opening it for writing",
            Errno::PERM,
            "it is append-only (chattr +a)",
        )?;
        let is_special = !(node.mode().is_reg() || node.mode().is_dir());
        if writes && !is_special {
            self.want_write(node)?;
        }
        Ok(Done::default())
    }

    /// Mirrors `may_open()`.
    fn may_open(&mut self, node: &Node, mask: Mask) -> Result<(), Stop> {
        let mode = node.mode();
        let runs = mask.has(Mask::MAY_EXEC);
        let trace = &mut *self.walk.trace;
        let rule = "may_open";
        if mode.is_lnk() {
            let why = "it is a symbolic link".to_owned();
            return trace.refuse(rule, "opening it".to_owned(), Errno::LOOP, why);
        }
        if mode.is_dir() {
            let why = "it is a folder";
            let writes = mask.has(Mask::MAY_WRITE);
            trace.refuse_if(writes, rule, "opening it for writing", Errno::ISDIR, why)?;
            trace.refuse_if(runs, rule, "running it", Errno::ACCESS, why)?;
        } else if !mode.is_reg() {
            let is_device = node.kind() == "device";
            let nodev = is_device && node.mount.is_nodev();
            let why = "the mount has the attribute nodev";
            trace.refuse_if(nodev, rule, "opening a device", Errno::ACCESS, why)?;
            trace.refuse_if(runs, rule, "running it", Errno::ACCESS, "it is no file")?;
        } else if runs {
            let why = "the mount has the attribute noexec";
            let noexec = node.mount.is_noexec();
            trace.refuse_if(noexec, rule, "running it", Errno::ACCESS, why)?;
        }
        let what = || {
            let mut words = Vec::new();
            for (bit, word) in [
                (Mask::MAY_READ, "reading"),
                (Mask::MAY_WRITE, "writing"),
                (Mask::MAY_EXEC, "running"),
            ] {
                if mask.has(bit) {
                    words.push(word);
                }
            }
            format!("{} it", words.join(" and "))
        };
        let mask = mask.with(Mask::MAY_OPEN);
        self.walk.permission("inode_permission", what, node, mask)
    }

    /// Mirrors `do_open()` with `O_CREAT`.
    fn open_or_create(&mut self, path: &Path) -> Result<Done, Stop> {
        if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
            let what = "opening a file".to_owned();
            let why = "the path ends with a slash, hence names a folder".to_owned();
            // The way there is asked about first.
            self.walk.parent(path)?;
            return self
                .walk
                .trace
                .refuse("open_last_lookups", what, Errno::ISDIR, why);
        }
        let found = match self.walk.target(path, true)? {
            Target::Missing(place) => return names::create_at(self, &place),
            Target::There(found) => found,
        };
        self.show(&found.node);
        let node = &found.node;
        let is_dir = node.mode().is_dir();
        let (what, why) = ("opening it for writing", "it is a folder");
        let trace = &mut *self.walk.trace;
        trace.refuse_if(is_dir, "do_open", what, Errno::ISDIR, why)?;
        if let Some(parent) = found.parent {
            let access = self.walk.access(node);
            let verdict = access.may_create_in_sticky(node, parent, self.settings.protected);
            self.walk.trace.decide(
                "may_create_in_sticky",
                || "opening with O_CREAT what is there already".to_owned(),
                verdict.map_err(Into::into),
                || {
                    "fs.protected_regular or fs.protected_fifos: it is in a sticky folder, and \
                     neither the caller's nor that of the folder's owner"
                        .to_owned()
                },
            )?;
        }
        self.open_found(node, OpenMode::Create)
    }

    /// Mirrors `do_open_execat()`.
    fn exec(&mut self, path: &Path) -> Result<Done, Stop> {
        let found = self.lookup(path, true)?;
        self.may_open(&found.node, Mask::MAY_EXEC)?;
        Ok(Done::default())
    }
}
