// SPDX-License-Identifier: GPL-2.0

//! The tree that is measured, and the mounts that it is seen through.

use std::ffi::CString;
use std::fs;
use std::io::{Error, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::chown;
use std::process::{Child, Command, Stdio};

/// Where the tree is.
const DISK: &str = "/run/cost/disk";
/// Where it is seen through the mount that is measured.
pub(crate) const SEEN: &str = "/mnt";

/// An owner, as stored and as seen through a mount.
pub(crate) struct Owner {
    pub(crate) disk: u32,
    pub(crate) seen: u32,
}

/// A tmpfs with `d/e/f`.
pub(crate) struct Tree;

/// The tree, mounted once more at [`SEEN`] until this is dropped.
pub(crate) struct Mount {
    size: u32,
}

fn failed(what: &str) -> String {
    format!("{what}: {}", Error::last_os_error())
}

fn c_string(text: &str) -> CString {
    CString::new(text).unwrap_or_default()
}

/// The range with this index: two ids, then a gap of one.
fn range(index: u32) -> (u32, u32, u32) {
    (1000 + 3 * index, 5000 + 3 * index, 2)
}

impl Tree {
    pub(crate) fn new() -> Result<Self, String> {
        for dir in [DISK, SEEN] {
            fs::create_dir_all(dir).map_err(|e| format!("{dir}: {e}"))?;
        }
        let (kind, dir) = (c_string("tmpfs"), c_string(DISK));
        // SAFETY: All pointers are to strings that live through the call, or null.
        if unsafe {
            libc::mount(
                kind.as_ptr(),
                dir.as_ptr(),
                kind.as_ptr(),
                0,
                std::ptr::null(),
            )
        } != 0
        {
            return Err(failed("mount tmpfs"));
        }
        fs::create_dir_all(format!("{DISK}/d/e")).map_err(|e| e.to_string())?;
        fs::write(format!("{DISK}/d/e/f"), "").map_err(|e| e.to_string())?;
        Ok(Self)
    }

    pub(crate) fn set_owner(&self, id: u32) -> Result<(), String> {
        for path in ["", "d", "d/e", "d/e/f"] {
            let path = format!("{DISK}/{path}");
            chown(&path, Some(id), Some(id)).map_err(|e| format!("chown {path}: {e}"))?;
        }
        Ok(())
    }

    pub(crate) fn mount(&self, size: u32) -> Result<Mount, String> {
        let dir = c_string(DISK);
        // SAFETY: The path is a string that lives through the call; the result is checked.
        let tree = unsafe {
            libc::syscall(
                libc::SYS_open_tree,
                libc::AT_FDCWD,
                dir.as_ptr(),
                libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC,
            )
        };
        if tree < 0 {
            return Err(failed("open_tree"));
        }
        // SAFETY: The kernel just made this descriptor for us.
        let tree = unsafe { OwnedFd::from_raw_fd(tree as i32) };
        if size > 0 {
            let map: String = (0..size)
                .map(|index| {
                    let (first, lower, count) = range(index);
                    format!("{first} {lower} {count}\n")
                })
                .collect();
            let namespace = Namespace::new(&map)?;
            let file = fs::File::open(namespace.path()).map_err(|e| e.to_string())?;
            let attr = libc::mount_attr {
                attr_set: libc::MOUNT_ATTR_IDMAP,
                attr_clr: 0,
                propagation: 0,
                userns_fd: file.as_raw_fd() as u64,
            };
            // SAFETY: `attr` and the empty path live through the call, and the size is `attr`'s.
            let done = unsafe {
                libc::syscall(
                    libc::SYS_mount_setattr,
                    tree.as_raw_fd(),
                    c"".as_ptr(),
                    libc::AT_EMPTY_PATH,
                    &raw const attr,
                    size_of::<libc::mount_attr>(),
                )
            };
            if done != 0 {
                return Err(failed("mount_setattr"));
            }
        }
        let seen = c_string(SEEN);
        // SAFETY: Both paths are strings that live through the call.
        let done = unsafe {
            libc::syscall(
                libc::SYS_move_mount,
                tree.as_raw_fd(),
                c"".as_ptr(),
                libc::AT_FDCWD,
                seen.as_ptr(),
                libc::MOVE_MOUNT_F_EMPTY_PATH,
            )
        };
        if done != 0 {
            return Err(failed("move_mount"));
        }
        Ok(Mount { size })
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        detach(DISK);
    }
}

impl Mount {
    /// The owners that can be seen through the mount, one for each range.
    pub(crate) fn owners(&self) -> impl Iterator<Item = Owner> + use<> {
        let idmapped = self.size > 0;
        (0..self.size.max(1)).map(move |index| {
            let (first, lower, _) = range(index);
            Owner {
                disk: first,
                seen: if idmapped { lower } else { first },
            }
        })
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        detach(SEEN);
    }
}

fn detach(path: &str) {
    let path = c_string(path);
    // SAFETY: The path is a string that lives through the call.
    unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) };
}

/// A user namespace with a map, held by a process that waits in it.
struct Namespace(Child);

impl Namespace {
    fn new(map: &str) -> Result<Self, String> {
        use std::os::unix::process::CommandExt;
        let mut command = Command::new("/proc/self/exe");
        command
            .arg("--wait")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        // SAFETY: `unshare()` is safe to call between fork and exec.
        unsafe {
            command.pre_exec(|| match libc::unshare(libc::CLONE_NEWUSER) {
                0 => Ok(()),
                _ => Err(Error::last_os_error()),
            });
        }
        let child = Self(command.spawn().map_err(|e| format!("unshare: {e}"))?);
        for file in ["uid_map", "gid_map"] {
            let path = format!("/proc/{}/{file}", child.0.id());
            fs::File::create(&path)
                .and_then(|mut file| file.write_all(map.as_bytes()))
                .map_err(|e| format!("{path}: {e}"))?;
        }
        Ok(child)
    }

    fn path(&self) -> String {
        format!("/proc/{}/ns/user", self.0.id())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Closing its standard input ends the process.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// What the process that holds a namespace does: it waits for the end of its standard input.
pub(crate) fn wait() {
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}
