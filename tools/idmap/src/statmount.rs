// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What `statmount()` tells of a mount.

use rustix::io::Errno;

use crate::sys::{self, MountRequest};

// `STATMOUNT_...` of `linux/mount.h`.
const SB_BASIC: u64 = 0x1;
const MNT_BASIC: u64 = 0x2;
const MNT_ROOT: u64 = 0x8;
const MNT_POINT: u64 = 0x10;
const FS_TYPE: u64 = 0x20;
const SB_SOURCE: u64 = 0x200;
const UID_MAP: u64 = 0x2000;
const GID_MAP: u64 = 0x4000;

// The places of some fields of `struct statmount`, whose strings begin at its end.
const MASK: usize = 8;
const DEVICE_MAJOR: usize = 16;
const DEVICE_MINOR: usize = 20;
const SB_FLAGS: usize = 32;
const FS_TYPE_AT: usize = 36;
const ATTRIBUTES: usize = 64;
const ROOT_AT: usize = 104;
const POINT_AT: usize = 108;
const SOURCE_AT: usize = 124;
const UID_MAP_COUNT: usize = 152;
const UID_MAP_AT: usize = 156;
const GID_MAP_COUNT: usize = 160;
const GID_MAP_AT: usize = 164;
const STRINGS: usize = 512;

/// The answer about one mount.
pub(crate) struct Answer(Vec<u8>);

impl Answer {
    /// Looks up a mount of this program's mount namespace by its unique id.
    pub(crate) fn about(mount: u64) -> Result<Self, Errno> {
        Self::find(|wanted| MountRequest::new(mount, wanted))
    }

    /// Looks up a mount of another mount namespace.
    pub(crate) fn in_namespace(mount: u64, namespace: u64) -> Result<Self, Errno> {
        Self::find(|wanted| MountRequest::new(mount, wanted).in_namespace(namespace))
    }

    fn find(request: impl FnOnce(u64) -> MountRequest) -> Result<Self, Errno> {
        let basic = SB_BASIC | MNT_BASIC;
        let wanted = basic | MNT_ROOT | MNT_POINT | FS_TYPE | SB_SOURCE | UID_MAP | GID_MAP;
        let request = request(wanted);
        let mut buffer = vec![0; 4096];
        loop {
            match sys::statmount(&request, &mut buffer) {
                // Two maps of 340 ranges and four paths fit in far less than this.
                Err(Errno::OVERFLOW) if buffer.len() < 1 << 20 => {
                    buffer = vec![0; buffer.len() * 4];
                }
                answer => return answer.map(|()| Self(buffer)),
            }
        }
    }

    fn u32(&self, at: usize) -> u32 {
        let bytes = self.0.get(at..).and_then(<[u8]>::first_chunk);
        bytes.copied().map_or(0, u32::from_ne_bytes)
    }

    fn u64(&self, at: usize) -> u64 {
        let bytes = self.0.get(at..).and_then(<[u8]>::first_chunk);
        bytes.copied().map_or(0, u64::from_ne_bytes)
    }

    fn has(&self, what: u64) -> bool {
        self.u64(MASK) & what != 0
    }

    /// The strings from the place on that the field `at` tells.
    fn strings(&self, at: usize) -> impl Iterator<Item = &[u8]> {
        let start = STRINGS.saturating_add(self.u32(at) as usize);
        self.0
            .get(start..)
            .unwrap_or_default()
            .split(|byte| *byte == 0)
    }

    fn string(&self, what: u64, at: usize) -> Vec<u8> {
        if !self.has(what) {
            return Vec::new();
        }
        self.strings(at).next().unwrap_or_default().to_vec()
    }

    /// The ranges of a map, a line for each; [`None`] if this kernel does not tell.
    fn ranges(&self, what: u64, count: usize, at: usize) -> Option<String> {
        let count = self.u32(count) as usize;
        self.has(what).then(|| {
            let ranges = self.strings(at).take(count).map(String::from_utf8_lossy);
            ranges.fold(String::new(), |text, range| text + &range + "\n")
        })
    }

    /// The attributes of the mount, as bits of `MOUNT_ATTR_...`.
    pub(crate) fn attributes(&self) -> u64 {
        if self.has(MNT_BASIC) {
            self.u64(ATTRIBUTES)
        } else {
            0
        }
    }

    /// Whether the mount has a map.
    pub(crate) fn is_idmapped(&self) -> bool {
        self.attributes() & sys::ATTR_IDMAP != 0
    }

    /// The number of the device that stands for the filesystem.
    pub(crate) fn device(&self) -> (u32, u32) {
        (self.u32(DEVICE_MAJOR), self.u32(DEVICE_MINOR))
    }

    /// Whether the filesystem is read-only.
    pub(crate) fn is_sb_read_only(&self) -> bool {
        /// `SB_RDONLY`.
        const RDONLY: u32 = 1;
        self.has(SB_BASIC) && self.u32(SB_FLAGS) & RDONLY != 0
    }

    /// Where it is mounted, which part of the filesystem it shows, the filesystem's type and
    /// what it was mounted from.
    pub(crate) fn names(&self) -> [Vec<u8>; 4] {
        [
            self.string(MNT_POINT, POINT_AT),
            self.string(MNT_ROOT, ROOT_AT),
            self.string(FS_TYPE, FS_TYPE_AT),
            self.string(SB_SOURCE, SOURCE_AT),
        ]
    }

    /// The maps of users and of groups, in the form of `/proc/PID/uid_map`.
    pub(crate) fn maps(&self) -> Option<(String, String)> {
        let users = self.ranges(UID_MAP, UID_MAP_COUNT, UID_MAP_AT)?;
        let groups = self.ranges(GID_MAP, GID_MAP_COUNT, GID_MAP_AT)?;
        Some((users, groups))
    }
}

/// The unique ids of all mounts of this mount namespace.
pub(crate) fn list() -> Result<Vec<u64>, Errno> {
    /// `LSMT_ROOT`.
    const ROOT: u64 = u64::MAX;
    let mut all = Vec::new();
    loop {
        let mut some = [0; 512];
        let request = MountRequest::new(ROOT, all.last().copied().unwrap_or(0));
        let count = sys::listmount(&request, &mut some)?;
        all.extend_from_slice(some.get(..count).unwrap_or_default());
        if count < some.len() {
            return Ok(all);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_by_its_fields() {
        let mut bytes = vec![0; STRINGS];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(
            MASK,
            &(MNT_BASIC | MNT_POINT | UID_MAP | GID_MAP).to_ne_bytes(),
        );
        put(ATTRIBUTES, &sys::ATTR_IDMAP.to_ne_bytes());
        put(POINT_AT, &1u32.to_ne_bytes());
        put(UID_MAP_COUNT, &2u32.to_ne_bytes());
        put(UID_MAP_AT, &6u32.to_ne_bytes());
        bytes.extend_from_slice(b"\0/mnt\x000 1000 1\x005 7 2\0");
        let answer = Answer(bytes);
        assert!(answer.is_idmapped());
        assert_eq!(answer.names(), [b"/mnt".to_vec(), vec![], vec![], vec![]]);
        assert_eq!(
            answer.maps(),
            Some(("0 1000 1\n5 7 2\n".to_owned(), String::new()))
        );
    }

    #[test]
    fn an_answer_that_is_too_short_says_nothing() {
        let answer = Answer(vec![0xff; 100]);
        assert_eq!(answer.names(), [const { Vec::new() }; 4]);
        assert_eq!(answer.maps(), Some((String::new(), String::new())));
    }
}
