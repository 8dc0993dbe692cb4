// SPDX-License-Identifier: GPL-2.0

//! The state on disk: owners, mode bits and attributes as root sees them without an idmap.

use std::{
    collections::HashMap,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{
        AtFlags, CWD, FileType, StatxAttributes, StatxFlags, lgetxattr, llistxattr, major, minor,
        readlinkat, statx,
    },
    io::Errno,
};

use crate::{
    syscalls::{SyscallResult, attribute_names, result_name},
    xattr,
};

/// The directories to examine, and the last state of each path.
pub(crate) struct Disk {
    /// The directories in which the world's files are seen: one, or for overlayfs also the layer
    /// that changes go to.
    directories: Vec<PathBuf>,
    seen: HashMap<String, String>,
}

impl Disk {
    pub(crate) fn new(directories: Vec<PathBuf>) -> Self {
        Self {
            directories,
            seen: HashMap::new(),
        }
    }

    /// Returns the state of a path, if it has changed since the last call.
    pub(crate) fn change(&mut self, path: &str) -> Option<String> {
        let now: Vec<String> = self
            .directories
            .iter()
            .map(|directory| show(&directory.join(path)))
            .collect();
        let now = now.join(" upper ");
        if self.seen.get(path) == Some(&now) {
            return None;
        }
        self.seen.insert(path.to_owned(), now.clone());
        Some(now)
    }

    /// Every path in the world, in order.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut paths = vec![String::new()];
        let mut next = 0;
        while let Some(path) = paths.get(next).cloned() {
            next += 1;
            let directory = self.directories[0].join(&path);
            // Only directories have entries.
            let Ok(entries) = fs::read_dir(&directory) else {
                continue;
            };
            if directory.is_symlink() {
                continue;
            }
            let names = entries.flatten().map(|entry| entry.file_name());
            let mut names: Vec<String> = names
                .map(|name| name.to_string_lossy().into_owned())
                .collect();
            names.sort_unstable();
            let below = |name: String| match path.as_str() {
                "" => name,
                path => format!("{path}/{name}"),
            };
            paths.extend(names.into_iter().map(below));
        }
        paths.sort_unstable();
        paths
    }
}

/// Formats the state of a path: type, mode bits, owner, links, size, flags, attributes.
fn show(path: &Path) -> String {
    let text = look(path);
    match &text {
        Ok(text) => text.clone(),
        Err(_) => result_name(&text),
    }
}

fn look(path: &Path) -> SyscallResult {
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    let seen = statx(CWD, path, flags, StatxFlags::BASIC_STATS)?;
    let mut text = String::new();
    let kind = FileType::from_raw_mode(seen.stx_mode.into());
    let letter = match kind {
        FileType::RegularFile => '-',
        FileType::Directory => 'd',
        FileType::Symlink => 'l',
        FileType::CharacterDevice => 'c',
        FileType::Fifo => 'p',
        FileType::Socket => 's',
        _ => '?',
    };
    let (mode, user, group) = (seen.stx_mode & 0o7777, seen.stx_uid, seen.stx_gid);
    let _ = write!(text, "{letter}{mode:04o} {user}:{group}");
    match kind {
        FileType::RegularFile => {
            let _ = write!(text, " links {} size {}", seen.stx_nlink, seen.stx_size);
        }
        FileType::Symlink => {
            let target = readlinkat(CWD, path, Vec::new())?;
            let _ = write!(text, " -> {}", target.to_string_lossy());
        }
        FileType::CharacterDevice => {
            let device = rustix::fs::makedev(seen.stx_rdev_major, seen.stx_rdev_minor);
            let _ = write!(text, " {}.{}", major(device), minor(device));
        }
        _ => {}
    }
    for (attribute, name) in [
        (StatxAttributes::IMMUTABLE, " immutable"),
        (StatxAttributes::APPEND, " append"),
        (StatxAttributes::NODUMP, " nodump"),
    ] {
        if seen.stx_attributes.contains(attribute) {
            text.push_str(name);
        }
    }
    attributes(path, &mut text)?;
    Ok(text)
}

fn attributes(path: &Path, text: &mut String) -> Result<(), Errno> {
    let mut list = [0u8; 2048];
    let length = match llistxattr(path, &mut list) {
        Err(Errno::OPNOTSUPP) => 0,
        other => other?,
    };
    for name in attribute_names(&list[..length]) {
        // Handles of files, which differ from run to run.
        if name.starts_with("trusted.overlay.") || name.starts_with("user.overlay.") {
            let _ = write!(text, " {name}");
            continue;
        }
        let mut value = [0u8; 1024];
        match lgetxattr(path, name.as_str(), &mut value) {
            Ok(length) => {
                let value = xattr::show_attribute(&name, &value[..length]);
                let _ = write!(text, " {name}={value}");
            }
            Err(errno) => {
                let _ = write!(text, " {name}: {}", result_name(&Err(errno)));
            }
        }
    }
    Ok(())
}
