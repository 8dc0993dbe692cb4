// SPDX-License-Identifier: GPL-2.0

//! Writes an initramfs: a cpio archive in the "newc" format. It can contain
//! device files, and the writer needs no capability (see the kernel's
//! Documentation/driver-api/early-userspace/buffer-format.rst).

use std::collections::BTreeSet;

const DIR: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const DEVICE: u32 = 0o020_600;

/// An archive that is being written.
#[derive(Default)]
pub(crate) struct Archive {
    bytes: Vec<u8>,
    dirs: BTreeSet<String>,
    entries: u32,
}

impl Archive {
    /// Adds a file that may be executed, and the directories above it.
    pub(crate) fn file(&mut self, path: &str, contents: &[u8]) {
        self.parents(path);
        self.entry(path, PROGRAM, (0, 0), contents);
    }

    /// Adds a character device, and the directories above it.
    pub(crate) fn device(&mut self, path: &str, major: u32, minor: u32) {
        self.parents(path);
        self.entry(path, DEVICE, (major, minor), &[]);
    }

    /// The whole archive.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, (0, 0), &[]);
        self.bytes
    }

    /// Adds the directories above a path, each once.
    fn parents(&mut self, path: &str) {
        for (at, _) in path.match_indices('/') {
            let dir = &path[..at];
            if self.dirs.insert(dir.to_owned()) {
                self.entry(dir, DIR, (0, 0), &[]);
            }
        }
    }

    fn entry(&mut self, name: &str, mode: u32, device: (u32, u32), contents: &[u8]) {
        self.entries += 1;
        let size = u32::try_from(contents.len()).expect("nothing we pack is near 4 GiB");
        let name_size = name.len() as u32 + 1;
        self.bytes.extend_from_slice(b"070701");
        let fields = [
            self.entries, // inode
            mode,
            0, // uid
            0, // gid
            1, // links
            0, // time
            size,
            0, // device of the file itself, two fields
            0,
            device.0,
            device.1,
            name_size,
            0, // checksum, unused in this format
        ];
        for field in fields {
            self.bytes
                .extend_from_slice(format!("{field:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.align();
        self.bytes.extend_from_slice(contents);
        self.align();
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_aligned_and_folders_come_first() {
        let mut archive = Archive::default();
        archive.file("a/b/c", b"12345");
        archive.file("a/d", b"");
        archive.device("dev/console", 5, 1);
        let bytes = archive.finish();
        let text = String::from_utf8_lossy(&bytes);
        let starts: Vec<usize> = text.match_indices("070701").map(|(at, _)| at).collect();
        assert!(starts.iter().all(|at| at % 4 == 0));
        let names: Vec<&str> = starts
            .iter()
            .map(|at| text[at + 110..].split('\0').next().unwrap())
            .collect();
        assert_eq!(
            names,
            [
                "a",
                "a/b",
                "a/b/c",
                "a/d",
                "dev",
                "dev/console",
                "TRAILER!!!"
            ]
        );
    }
}
