// SPDX-License-Identifier: GPL-2.0

//! What it takes to give containers, each with ids of its own, the same root filesystem.

use crate::clock;
use idmap::{IdmappedMount, unmount};
use kselftest::{filesystem::program, syscalls::give};
use std::{error::Error, ffi::CString, fs, path::Path};

/// The mount point of the filesystem, and its image.
const DISK: &str = "/run/saved";
const IMAGE: &str = "/run/saved.img";
/// The number of files in a directory.
const IN_DIRECTORY: usize = 100;
/// Bytes of a file.
const SIZE: usize = 2000;

/// The ways to do it.
const METHODS: [(&str, Method); 5] = [
    ("chown", chown),
    ("copy", copy),
    ("metacopy", metacopy),
    ("idmap", idmap),
    ("overlay", overlay),
];

/// Gives a container the files.
type Method = fn(&Container) -> Result<(), Box<dyn Error>>;

struct Container {
    /// The first id on the host.
    id: u32,
    /// A directory for what the container needs.
    at: String,
}

impl Container {
    fn make_dir(&self, name: &str) -> Result<String, Box<dyn Error>> {
        let directory = format!("{}/{name}", self.at);
        fs::create_dir_all(&directory)?;
        Ok(directory)
    }

    fn userns(&self) -> Result<idmap::UserNs, Box<dyn Error>> {
        let map = format!("0 {} 1000\n", self.id);
        let maps = idmap::IdMaps::from_proc(&map, &map)?;
        Ok(idmap::UserNs::new(&maps)?)
    }
}

/// Shares `files` files with each of the numbers of containers, and prints for each way:
///
/// ```text
/// saved METHOD CONTAINERS INSTRUCTIONS BYTES
/// ```
pub(crate) fn run(files: usize, numbers: &[u32]) -> Result<(), Box<dyn Error>> {
    for (name, method) in METHODS {
        // The first run of a program reads the program.
        share(method, 1, 1)?;
        for &number in numbers {
            let (took, bytes) = share(method, files, number)?;
            println!("saved {name} {number} {took} {bytes}");
        }
    }
    Ok(())
}

/// Shares files with a number of containers. Returns the instructions and the bytes on the disk.
fn share(method: Method, files: usize, number: u32) -> Result<(u64, u64), Box<dyn Error>> {
    let used_before = make_disk(files)?;
    let start = clock::now();
    for container in 0..number {
        let container = Container {
            id: 100_000 + 1000 * container,
            at: format!("{DISK}/{container}"),
        };
        method(&container)?;
    }
    rustix::fs::sync();
    let took = clock::now() - start;
    let bytes = used()?.saturating_sub(used_before);
    for container in 0..number {
        // Not each way has mounts.
        let _ = unmount(format!("{DISK}/{container}/root"), false);
        let _ = unmount(format!("{DISK}/{container}/layer"), false);
    }
    unmount(DISK, false)?;
    fs::remove_file(IMAGE)?;
    Ok((took, bytes))
}

/// Makes an ext4 with the files, and returns the bytes in use.
fn make_disk(files: usize) -> Result<u64, Box<dyn Error>> {
    fs::create_dir_all(DISK)?;
    fs::File::create(IMAGE)?.set_len(1 << 30)?;
    // All of it at once: otherwise a task of the kernel writes inode tables during the measurement.
    let at_once = "lazy_itable_init=0,lazy_journal_init=0";
    words(&["mkfs.ext4", "-q", "-F", "-i", "4096", "-E", at_once, IMAGE])?;
    words(&["mount", "-o", "loop", IMAGE, DISK])?;
    for directory in 0..files.div_ceil(IN_DIRECTORY) {
        let path = Path::new(DISK).join("root").join(directory.to_string());
        fs::create_dir_all(&path)?;
        for file in 0..IN_DIRECTORY.min(files - directory * IN_DIRECTORY) {
            let path = path.join(file.to_string());
            fs::write(&path, [0; SIZE])?;
            give(&path, file as u32 % 10)?;
        }
    }
    rustix::fs::sync();
    used()
}

fn used() -> Result<u64, Box<dyn Error>> {
    let status = rustix::fs::statvfs(DISK)?;
    Ok((status.f_blocks - status.f_bfree) * status.f_frsize)
}

fn words(words: &[&str]) -> Result<(), Box<dyn Error>> {
    program(words).map_err(|failure| failure.to_string().into())
}

/// The one tree is handed from a container to the next.
fn chown(container: &Container) -> Result<(), Box<dyn Error>> {
    let owner = format!("{0}:{0}", container.id);
    words(&["chown", "-R", &owner, &format!("{DISK}/root")])
}

/// Each container has a copy.
fn copy(container: &Container) -> Result<(), Box<dyn Error>> {
    let owner = format!("{0}:{0}", container.id);
    words(&["cp", "-a", &format!("{DISK}/root"), &container.at])?;
    words(&["chown", "-R", &owner, &container.at])
}

/// Each container has an overlay with the inodes that it changes.
fn metacopy(container: &Container) -> Result<(), Box<dyn Error>> {
    let root = mount_overlay(container, &format!("{DISK}/root"), ",metacopy=on")?;
    let owner = format!("{0}:{0}", container.id);
    words(&["chown", "-R", &owner, &root])
}

/// Each container has an idmapped mount.
fn idmap(container: &Container) -> Result<(), Box<dyn Error>> {
    let root = container.make_dir("root")?;
    let userns = container.userns()?;
    Ok(IdmappedMount::of(format!("{DISK}/root"))
        .map(&userns)
        .attach(root)?)
}

/// Each container has an overlay over an idmapped mount.
fn overlay(container: &Container) -> Result<(), Box<dyn Error>> {
    let layer = container.make_dir("layer")?;
    let userns = container.userns()?;
    IdmappedMount::of(format!("{DISK}/root"))
        .map(&userns)
        .attach(&layer)?;
    mount_overlay(container, &layer, "").map(drop)
}

fn mount_overlay(container: &Container, lower: &str, more: &str) -> Result<String, Box<dyn Error>> {
    let [root, upper, work] = ["root", "upper", "work"].map(|name| container.make_dir(name));
    let (root, upper, work) = (root?, upper?, work?);
    let options = format!("lowerdir={lower},upperdir={upper},workdir={work}{more}");
    let options = CString::new(options)?;
    let flags = rustix::mount::MountFlags::empty();
    rustix::mount::mount("overlay", &root, "overlay", flags, &*options)?;
    Ok(root)
}
