// SPDX-License-Identifier: GPL-2.0

//! Whose root the capabilities of a file are for.

mod support;

use kernel::{
    fs::permission::{Access, CallerCaps, CapsRoot, CheckError, DiskCaps, FileCaps},
    uidgid::Uid,
};
use support::{
    c_rules::C,
    fixture::{cap, down, raw, traced, up, Inode, Map, Ns, Who, NONE},
    scenes::{callers, pairs, stored, ways},
};

const CAP_SETFCAP: i32 = 31;

/// A revision and a root, as numbers.
type Raw = (u32, u32);

fn plain(caps: CapsRoot) -> Raw {
    match caps {
        CapsRoot::V1 => (1, 0),
        CapsRoot::V2 => (2, 0),
        CapsRoot::V3(root) => (3, raw(root)),
    }
}

fn caps((revision, root): Raw) -> CapsRoot {
    match revision {
        1 => CapsRoot::V1,
        2 => CapsRoot::V2,
        _ => CapsRoot::V3(Uid::new(root)),
    }
}

fn is_root_in(ns: &Ns, id: u32) -> bool {
    id != NONE && (up(&ns.users, id) == 0 || ns.parent.is_some_and(|ns| is_root_in(ns, id)))
}

impl C<'_> {
    fn disk_root(self, fs: &Ns, caps: Raw) -> u32 {
        self.make_vfsuid(fs, down(&fs.users, caps.1))
    }

    fn to_execute(self, fs: &Ns, caps: Raw) -> Result<u32, i32> {
        let root = self.disk_root(fs, caps);
        if is_root_in(self.who.ns, root) {
            Ok(root)
        } else {
            Err(-61)
        }
    }

    fn to_caller(self, fs: &Ns, caps: Raw) -> Result<Raw, i32> {
        let root = self.disk_root(fs, caps);
        let mapped = up(&self.who.ns.users, root);
        if mapped != NONE && mapped != 0 {
            Ok((3, mapped))
        } else if is_root_in(self.who.ns, root) {
            Ok((2, 0))
        } else {
            Err(-75)
        }
    }

    fn written(self, inode: &Inode, caps: Raw) -> Result<Raw, i32> {
        if !self.capable_wrt_inode_uidgid(inode, CAP_SETFCAP) {
            return Err(-1);
        }
        if caps.0 == 2
            && matches!(self.map, Map::Nop)
            && self.who.asked_capable(inode.ns, CAP_SETFCAP)
        {
            return Ok((2, 0));
        }
        let seen = down(&self.who.ns.users, caps.1);
        if seen == NONE {
            return Err(-22);
        }
        let kuid = self.from_vfsuid(inode.ns, seen);
        if kuid == NONE {
            return Err(-22);
        }
        match up(&inode.ns.users, kuid) {
            NONE => Err(-22),
            root => Ok((3, root)),
        }
    }
}

#[test]
fn every_root() {
    // Callers in a namespace whose root is 2000, in one inside of it, and in one whose root is
    // nobody's, besides the usual.
    let outer = Ns::new(1, vec![[0, 2000, 5]], vec![[0, 2000, 5]], Ns::initial());
    let inner = Ns::new(2, vec![[0, 2001, 2]], vec![[0, 2000, 2]], outer);
    let rootless = Ns::new(2, vec![[7, 2000, 5]], vec![[0, 2000, 5]], Ns::initial());
    let mut who = callers(&[CAP_SETFCAP]);
    for ns in [outer, inner, rootless] {
        for own in [0, cap(CAP_SETFCAP)] {
            let mut caller = Who {
                ns,
                ..who[0].clone()
            };
            caller.caps[ns.number] |= own;
            who.push(caller);
        }
    }
    let roots = [
        0, 1, 2, 7, 9, 10, 1000, 1001, 1010, 2000, 2001, 2004, 2010, NONE,
    ];
    let mut outcomes = [0; 3];
    for (map, ns) in ways() {
        for who in &who {
            for over_fs in [0, cap(CAP_SETFCAP)] {
                let mut who = who.clone();
                who.caps[ns.number] |= over_fs;
                for (owner, group) in pairs() {
                    let inode = Inode {
                        ns,
                        ..Inode::new(0o100755, stored(&map, owner), stored(&map, group))
                    };
                    let all = roots.iter().map(|root| (3, *root));
                    for caps_root in all.chain([(1, 0), (2, 0)]) {
                        let (access, c) = (
                            Access::new(&who, &map),
                            C {
                                who: &who,
                                map: &map,
                            },
                        );
                        let what =
                            format_args!("{who:?} {map:?} {inode:?} {caps_root:?}").to_string();
                        let executed = access.caps_to_execute(&inode, DiskCaps(caps(caps_root)));
                        assert_eq!(
                            executed
                                .map(|root| root.get())
                                .map_err(CheckError::to_errno),
                            c.to_execute(ns, caps_root),
                            "{what}"
                        );
                        let shown = access.caps_to_caller(&inode, DiskCaps(caps(caps_root)));
                        assert_eq!(
                            shown
                                .map(|caps| plain(caps.0))
                                .map_err(CheckError::to_errno),
                            c.to_caller(ns, caps_root),
                            "{what}"
                        );
                        let written = traced(|| {
                            access
                                .caps_from_caller(&inode, CallerCaps(caps(caps_root)))
                                .map(|caps| plain(caps.0))
                                .map_err(CheckError::to_errno)
                        });
                        assert_eq!(written, traced(|| c.written(&inode, caps_root)), "{what}");
                        outcomes[0] += usize::from(executed.is_ok());
                        outcomes[1] += usize::from(shown.is_ok());
                        outcomes[2] += usize::from(written.0.is_ok());
                    }
                }
            }
        }
    }
    assert!(outcomes.iter().all(|met| *met > 100), "{outcomes:?}");
}

/// An attribute of so many bytes that begins with a word and, if it is long enough, ends with a
/// root.
fn attribute(size: usize, word: u32, root: u32) -> Vec<u8> {
    let mut bytes = vec![0xee; size];
    for (to, from) in bytes.iter_mut().zip(word.to_le_bytes()) {
        *to = from;
    }
    if size >= 24 {
        bytes[20..24].copy_from_slice(&root.to_le_bytes());
    }
    bytes
}

#[test]
fn every_size_and_revision() {
    for size in 0..=40 {
        for revision in 0..=255u32 {
            for low in [0, 1, 2, 0x0001_0000] {
                let bytes = attribute(size, revision << 24 | low, 1000);
                let known = match (size, revision) {
                    (12, 1) => Ok((1, 0)),
                    (20, 2) => Ok((2, 0)),
                    (24, 3) => Ok((3, 1000)),
                    _ => Err(-22),
                };
                let read = DiskCaps::to_execute(&bytes);
                assert_eq!(
                    read.map(|caps| plain(caps.0)).map_err(CheckError::to_errno),
                    known
                );
                let given = CallerCaps::new(&bytes).map(|caps| caps.0);
                assert_eq!(given, DiskCaps::to_show(&bytes).map(|caps| caps.0));
                let known = known.and_then(|caps| match (caps.0, low) {
                    (1, _) | (_, 2..) => Err(-22),
                    _ => Ok(caps),
                });
                assert_eq!(given.map(plain).map_err(CheckError::to_errno), known);
            }
        }
    }
    let bytes = attribute(24, 0x0300_0001, NONE);
    assert_eq!(
        DiskCaps::to_execute(&bytes),
        Ok(DiskCaps(CapsRoot::V3(None)))
    );
}

/// Words of an attribute as bytes.
fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

#[test]
fn conversion_keeps_capabilities_and_the_effective_flag() {
    let root = |root| CapsRoot::V3(Uid::new(root));
    for effective in [0, 1] {
        let second = bytes(&[0x0200_0000 | effective, 1, 2, 3, 4]);
        let third = bytes(&[0x0300_0000 | effective, 1, 2, 3, 4, 1000]);

        let mut new = [0; CapsRoot::MAX_SIZE];
        root(1000).convert(&second, &mut new);
        assert_eq!(new, *third);
        CapsRoot::V2.convert(&third, &mut new[..20]);
        assert_eq!(new[..20], *second);

        let mut stored = third.clone();
        root(7).store(&mut stored);
        assert_eq!(stored[..20], third[..20]);
        assert_eq!(stored[20..], 7u32.to_le_bytes());
        CapsRoot::V2.store(&mut stored);
        assert_eq!(stored[20..], 7u32.to_le_bytes());
    }
}

#[test]
fn file_caps_have_one_word_in_revision_1_and_two_later() {
    let caps = |words: &[u32]| {
        let caps = FileCaps::new(&bytes(words)).unwrap();
        (caps.magic, caps.permitted, caps.inheritable)
    };
    assert_eq!(caps(&[0x0100_0001, 1, 2]), (0x0100_0001, 1, 2));
    assert_eq!(caps(&[0x0100_0001, 1, 2, 3, 4]), (0x0100_0001, 1, 2));
    let (permitted, inheritable) = (3 << 32 | 1, 4 << 32 | 2);
    for magic in [0x0200_0000, 0x0300_0001] {
        assert_eq!(
            caps(&[magic, 1, 2, 3, 4, 5]),
            (magic, permitted, inheritable)
        );
    }
    assert_eq!(FileCaps::new(&[1, 0, 0]), Err(CheckError::EINVAL));
}
