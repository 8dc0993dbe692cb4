// SPDX-License-Identifier: GPL-2.0

//! The files that the calls are about, and the mount through which callers see them.

use idmap::{IdMaps, IdmappedMount, UserNs, unmount};
use kselftest::{
    acl::{ACCESS, USER, with_entry},
    syscalls::set_xattr,
};
use rustix::mount::{MountFlags, mount};
use std::{
    error::Error,
    ffi::CString,
    fmt, fs,
    os::unix::fs::{PermissionsExt, chown, lchown, symlink},
    path::Path,
    process::Command,
};

/// The mount point of the filesystem.
const DISK: &str = "/run/cost";
/// The image of a filesystem that needs a device.
const IMAGE: &str = "/run/cost.img";
/// The mount point of the layers of an overlay.
const LAYERS: &str = "/run/layers";
/// The mount point through which callers see the files.
pub(crate) const SEEN: &str = "/mnt";
/// The number of files in the directory `list`.
pub(crate) const FILES: usize = 1000;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filesystem {
    Tmpfs,
    Ext4,
    /// An overlay whose layers, on a tmpfs, are idmapped.
    Overlay,
}

impl fmt::Display for Filesystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tmpfs => "tmpfs",
            Self::Ext4 => "ext4",
            Self::Overlay => "overlay",
        })
    }
}

/// The extent of the map that has the owner.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Position {
    First,
    Middle,
    Last,
    /// None has.
    Outside,
}

/// A map: its number of extents, 0 for a mount that is not idmapped, and the owner of the files.
#[derive(Clone, Copy)]
pub(crate) struct Map {
    pub(crate) extents: u32,
    pub(crate) position: Position,
}

impl fmt::Display for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let position = match self.position {
            _ if self.extents == 0 => return f.write_str("plain"),
            Position::First => "first",
            Position::Middle => "middle",
            Position::Last => "last",
            Position::Outside => "outside",
        };
        write!(f, "{}-{position}", self.extents)
    }
}

/// The extent with this number: two ids, then a gap of one.
pub(crate) fn extent(number: u32) -> (u32, u32, u32) {
    (1000 + 3 * number, 5000 + 3 * number, 2)
}

/// The text of a map with so many extents.
pub(crate) fn map_text(extents: u32) -> String {
    let line = |number| {
        let (first, lower, count) = extent(number);
        format!("{first} {lower} {count}\n")
    };
    (0..extents).map(line).collect()
}

impl Map {
    /// The owner of the files, as stored and as seen. The next id is in the same extent.
    pub(crate) fn owner(self) -> (u32, u32) {
        let number = match self.position {
            Position::First => 0,
            Position::Middle => self.extents / 2,
            Position::Last => self.extents.saturating_sub(1),
            Position::Outside => return (999, 65534),
        };
        let (first, lower, _) = extent(number);
        (first, if self.extents == 0 { first } else { lower })
    }

    fn user_namespace(self) -> Result<Option<UserNs>, Box<dyn Error>> {
        if self.extents == 0 {
            return Ok(None);
        }
        let text = map_text(self.extents);
        Ok(Some(UserNs::new(&IdMaps::from_proc(&text, &text)?)?))
    }
}

/// The files on a new filesystem, seen at [`SEEN`] until this is dropped.
pub(crate) struct Tree(Filesystem);

impl Tree {
    pub(crate) fn new(filesystem: Filesystem, map: Map) -> Result<Self, Box<dyn Error>> {
        fs::create_dir_all(DISK)?;
        if filesystem == Filesystem::Ext4 {
            fs::File::create(IMAGE)?.set_len(64 << 20)?;
            run(&["mkfs.ext4", "-q", "-F", IMAGE])?;
            run(&["mount", "-o", "loop", IMAGE, DISK])?;
        } else {
            mount("tmpfs", DISK, "tmpfs", MountFlags::empty(), None)?;
        }
        let tree = Self(filesystem);
        let (stored, _) = map.owner();
        let source = |at: &str| IdmappedMount::of(at.to_owned());
        let userns = map.user_namespace()?;
        let attach = |target: &str| match &userns {
            Some(userns) => source(DISK).map(userns).attach(target),
            None => source(DISK).attach(target),
        };
        if filesystem != Filesystem::Overlay {
            make_files(Path::new(DISK), stored)?;
            attach(SEEN)?;
            return Ok(tree);
        }
        for layer in ["lower", "upper", "work"] {
            let layer = Path::new(DISK).join(layer);
            fs::create_dir(&layer)?;
            chown(&layer, Some(stored), Some(stored))?;
        }
        make_files(&Path::new(DISK).join("lower"), stored)?;
        fs::create_dir_all(LAYERS)?;
        attach(LAYERS)?;
        let options =
            format!("lowerdir={LAYERS}/lower,upperdir={LAYERS}/upper,workdir={LAYERS}/work");
        let options = CString::new(options)?;
        mount("overlay", SEEN, "overlay", MountFlags::empty(), &*options)?;
        Ok(tree)
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = unmount(SEEN, false);
        if self.0 == Filesystem::Overlay {
            let _ = unmount(LAYERS, false);
        }
        let _ = unmount(DISK, false);
    }
}

fn run(command: &[&str]) -> Result<(), Box<dyn Error>> {
    let status = Command::new(command[0]).args(&command[1..]).status()?;
    if !status.success() {
        return Err(format!("{}: {status}", command.join(" ")).into());
    }
    Ok(())
}

/// Makes the files, all of them of the user and of the group `owner`:
///
/// - `public/dir/`: for everybody to read, for the group to write;
/// - `private/dir/`: for the owner;
/// - `acl/dir/`: for the owner, and by an ACL for the next user;
/// - `deep/2/3/4/5/6/7/8/file`, and a file in each directory above;
/// - `list/`: many files.
fn make_files(at: &Path, owner: u32) -> Result<(), Box<dyn Error>> {
    let make_dir = |name: &str, mode| -> Result<_, Box<dyn Error>> {
        let dir = at.join(name);
        fs::create_dir(&dir)?;
        own(&dir, owner, mode)?;
        Ok(dir)
    };
    own(at, owner, 0o775)?;
    for (name, dir_mode, mode) in [
        ("public", 0o775, 0o664),
        ("private", 0o700, 0o600),
        ("acl", 0o755, 0o660),
    ] {
        make_dir(name, dir_mode)?;
        let dir = make_dir(&format!("{name}/dir"), dir_mode)?;
        for file in ["file", "attributes", "xattrs"] {
            fs::write(dir.join(file), "")?;
            own(&dir.join(file), owner, mode)?;
        }
        symlink("file", dir.join("link"))?;
        lchown(dir.join("link"), Some(owner), Some(owner))?;
        fs::copy("/proc/self/exe", dir.join("program"))?;
        own(&dir.join("program"), owner, 0o4775)?;
        for file in ["file", "program"] {
            if name == "acl" {
                set_acl(&dir.join(file), owner + 1)?;
            }
        }
    }
    let mut deep = "deep".to_owned();
    for level in 2..=9 {
        let dir = make_dir(&deep, 0o755)?;
        fs::write(dir.join("file"), "")?;
        own(&dir.join("file"), owner, 0o664)?;
        deep = format!("{deep}/{level}");
    }
    let list = make_dir("list", 0o755)?;
    for number in 0..FILES {
        let file = list.join(number.to_string());
        fs::write(&file, "")?;
        own(&file, owner, 0o644)?;
    }
    Ok(())
}

fn own(path: &Path, owner: u32, mode: u32) -> Result<(), Box<dyn Error>> {
    chown(path, Some(owner), Some(owner))?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    Ok(())
}

/// An ACL that lets one more user read and write.
pub(crate) fn acl(user: u32) -> Vec<u8> {
    with_entry(6, (USER, 6, user), 6, 0)
}

fn set_acl(path: &Path, user: u32) -> Result<(), Box<dyn Error>> {
    Ok(set_xattr(path, ACCESS, &acl(user))?)
}
