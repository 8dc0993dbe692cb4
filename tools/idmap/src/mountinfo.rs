// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What `/proc/self/mountinfo` tells of mounts.

use std::{
    ffi::OsString,
    fs,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::ffi::OsStringExt,
    },
    path::{Path, PathBuf},
};

#[cfg(feature = "explain")]
use crate::mounts;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, StatxFlags, openat, statx};

/// A line of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) id: u64,
    /// The number of the device that stands for the filesystem.
    pub(crate) device: (u32, u32),
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
    /// The options of the mount.
    options: Vec<String>,
    /// The options of the filesystem.
    sb_options: Vec<String>,
    /// The type of the filesystem.
    pub(crate) filesystem: String,
    pub(crate) source: String,
}

impl Line {
    fn has(&self, option: &str) -> bool {
        self.options.iter().any(|it| it == option)
    }

    /// Whether the mount has a map.
    pub(crate) fn is_idmapped(&self) -> bool {
        self.has("idmapped")
    }

    /// As bits of `MOUNT_ATTR_...`, those that decisions ask for.
    pub(crate) fn attributes(&self) -> u64 {
        const BITS: [(&str, u64); 5] = [
            ("ro", 0x1),
            ("nosuid", 0x2),
            ("nodev", 0x4),
            ("noexec", 0x8),
            ("nosymfollow", 0x0020_0000),
        ];
        let set = BITS.iter().filter(|(option, _)| self.has(option));
        set.fold(0, |bits, (_, bit)| bits | bit)
    }

    /// Whether the filesystem is read-only.
    pub(crate) fn is_sb_read_only(&self) -> bool {
        self.sb_options.iter().any(|option| option == "ro")
    }
}

/// The line of the mount that a path is on, if that can be told.
pub(crate) fn of(path: &Path) -> Option<Line> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    of_file(openat(CWD, path, flags, Mode::empty()).ok()?.as_fd())
}

/// The line of the mount that an open object is on, if that can be told.
pub(crate) fn of_file(file: BorrowedFd<'_>) -> Option<Line> {
    of_file_at("/proc/thread-self/mountinfo", file)
}

/// The same, if the mount is one of the mount namespace of a process.
pub(crate) fn of_file_in(pid: u32, file: BorrowedFd<'_>) -> Option<Line> {
    of_file_at(&format!("/proc/{pid}/mountinfo"), file)
}

/// The options of the filesystem that an open object is on.
#[cfg(feature = "explain")]
pub(crate) fn sb_options_of(file: BorrowedFd<'_>) -> Vec<Vec<u8>> {
    let tables = std::iter::once("/proc/thread-self/mountinfo".to_owned());
    let others = mounts::namespaces().map(|pid| format!("/proc/{pid}/mountinfo"));
    let mut lines = tables.chain(others).map(|table| of_file_at(&table, file));
    let line = lines.find_map(|line| line);
    let options = line.map(|line| line.sb_options).unwrap_or_default();
    let options = options.iter().map(|option| unescape(option.as_bytes()));
    options.collect()
}

fn of_file_at(table: &str, file: BorrowedFd<'_>) -> Option<Line> {
    let status = statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID).ok()?;
    if status.stx_mask & StatxFlags::MNT_ID.bits() == 0 {
        return None;
    }
    let table = fs::read(table).ok()?;
    lines(&table).find(|line| line.id == status.stx_mnt_id)
}

/// All lines that can be read.
pub(crate) fn lines(table: &[u8]) -> impl Iterator<Item = Line> {
    table.split(|byte| *byte == b'\n').filter_map(read)
}

fn read(line: &[u8]) -> Option<Line> {
    let mut fields = line.split(|byte| *byte == b' ');
    let id = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    let device = std::str::from_utf8(fields.nth(1)?).ok()?.split_once(':')?;
    let root = path(fields.next()?);
    let target = path(fields.next()?);
    let list = |field: &[u8]| {
        let options = field.split(|byte| *byte == b',');
        options
            .map(|option| String::from_utf8_lossy(option).into_owned())
            .collect()
    };
    let options = list(fields.next()?);
    // A lone dash ends the optional fields.
    let mut rest = fields.skip_while(|field| *field != b"-").skip(1);
    let text = |field: &[u8]| String::from_utf8_lossy(&unescape(field)).into_owned();
    Some(Line {
        id,
        device: (device.0.parse().ok()?, device.1.parse().ok()?),
        root,
        target,
        options,
        filesystem: text(rest.next()?),
        source: text(rest.next()?),
        sb_options: list(rest.next()?),
    })
}

fn path(field: &[u8]) -> PathBuf {
    OsString::from_vec(unescape(field)).into()
}

/// Blanks and the like are written as three octal digits after a backslash.
fn unescape(mut field: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(field.len());
    while let Some((&byte, rest)) = field.split_first() {
        let digits = rest
            .get(..3)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(escaped) if byte == b'\\' => {
                text.push(escaped);
                field = &rest[3..];
            }
            _ => {
                text.push(byte);
                field = rest;
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] = b"\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
31 22 254:16 /d /d rw,relatime,idmapped - xfs /dev/vdb rw
3 22 0:20 / /a\\040-\\134b ro,nosuid master:2 propagate_from:1 - proc proc ro,x
not a line
";

    #[test]
    fn lines_are_read() {
        let lines: Vec<Line> = lines(TABLE).collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(
            lines[1],
            Line {
                id: 31,
                device: (254, 16),
                root: "/d".into(),
                target: "/d".into(),
                options: ["rw", "relatime", "idmapped"].map(str::to_owned).to_vec(),
                sb_options: vec!["rw".to_owned()],
                filesystem: "xfs".to_owned(),
                source: "/dev/vdb".to_owned(),
            }
        );
        assert!(lines[1].is_idmapped() && !lines[0].is_idmapped());
        assert_eq!((lines[0].attributes(), lines[2].attributes()), (0, 0x3));
        assert!(lines[2].is_sb_read_only() && !lines[0].is_sb_read_only());
        assert_eq!(lines[2].target, Path::new("/a -\\b"));
        assert_eq!(lines[2].filesystem, "proc");
    }

    #[test]
    fn the_mount_of_a_path_is_found() {
        assert_eq!(of(Path::new("/proc/self/stat")).unwrap().filesystem, "proc");
    }
}
