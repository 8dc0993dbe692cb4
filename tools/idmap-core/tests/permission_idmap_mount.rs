// SPDX-License-Identifier: GPL-2.0

//! Who may idmap a mount.

mod support;

use kernel::fs::permission::{CheckError, IdmapRequest, MountFacts, NewMap, NoIdmap, UsernsFd};
use support::fixture::{ask, traced, Asked};

const CAP_SYS_ADMIN: i32 = 21;

/// The bits of a number, lowest first.
fn bits<const N: usize>(number: u32) -> [bool; N] {
    std::array::from_fn(|i| number >> i & 1 == 1)
}

/// The rules of C's `can_idmap_mount()`, for a mount that is to get a map.
fn can_idmap_mount(facts: &MountFacts, controls: bool) -> i32 {
    if facts.map_is_the_filesystems {
        return -22;
    }
    if facts.is_idmapped && !facts.replace {
        return -1;
    }
    if !facts.allows || facts.refuses {
        return -22;
    }
    ask(Asked::Capable(3, CAP_SYS_ADMIN));
    if !controls {
        return -1;
    }
    if facts.is_anonymous {
        0
    } else {
        -22
    }
}

#[test]
fn every_mount() {
    let mut reasons = Vec::new();
    for number in 0..128 {
        let [own_map, replace, is_idmapped, allows, refuses, is_anonymous, controls] = bits(number);
        let facts = MountFacts {
            map_is_the_filesystems: own_map,
            replace,
            is_idmapped,
            allows,
            refuses,
            is_anonymous,
        };
        let (mine, trace) = traced(|| {
            facts.can_idmap(|| {
                ask(Asked::Capable(3, CAP_SYS_ADMIN));
                controls
            })
        });
        let expected = traced(|| can_idmap_mount(&facts, controls));
        assert_eq!(
            (CheckError::to_c(mine.map_err(CheckError::from)), trace),
            expected,
            "{facts:?} {controls}"
        );
        if let Err(reason) = mine {
            // The reason is so.
            assert!(match reason {
                NoIdmap::FilesystemsNamespace => own_map,
                NoIdmap::AlreadyIdmapped => is_idmapped && !replace,
                NoIdmap::KindNotSupported => !allows,
                NoIdmap::FilesystemRefuses => refuses,
                NoIdmap::FilesystemNotControlled => !controls,
                NoIdmap::Attached => !is_anonymous,
                _ => false,
            });
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
    }
    assert_eq!(reasons.len(), 6);
}

/// What there can be at a file descriptor: nothing, something else, and a namespace.
#[derive(Clone, Copy, Debug, PartialEq)]
enum At {
    Nothing,
    Else,
    Initial,
    Namespace,
}

/// The rules of C's `build_mount_idmapped()`: 0 to keep the map, 1 to take it away, 2 to set one.
fn build_mount_idmapped(request: &IdmapRequest, at: At, controls: bool) -> i32 {
    if !(request.set || request.clear) {
        return 0;
    }
    if request.clear && !request.replace {
        return -22;
    }
    if request.clear && !request.set {
        return 1;
    }
    if request.userns_fd > 0x7fff_ffff {
        return -22;
    }
    match at {
        At::Nothing => return -9,
        At::Else => return -22,
        At::Initial => return -1,
        At::Namespace => {}
    }
    ask(Asked::Capable(1, CAP_SYS_ADMIN));
    if controls {
        2
    } else {
        -1
    }
}

#[test]
fn every_request() {
    let mut reasons = Vec::new();
    for number in 0..16 {
        let [set, clear, replace, controls] = bits(number);
        for userns_fd in [0, 5, 0x7fff_ffff, 0x8000_0000, u64::MAX] {
            for at in [At::Nothing, At::Else, At::Initial, At::Namespace] {
                let request = IdmapRequest {
                    set,
                    clear,
                    replace,
                    userns_fd,
                };
                let (mine, trace) = traced(|| {
                    request.build(
                        |fd| {
                            assert_eq!(u64::try_from(fd), Ok(userns_fd));
                            match at {
                                At::Nothing => UsernsFd::Closed,
                                At::Else => UsernsFd::Other,
                                At::Initial | At::Namespace => {
                                    UsernsFd::UserNamespace(at, at == At::Initial)
                                }
                            }
                        },
                        |namespace| {
                            assert_eq!(*namespace, At::Namespace);
                            ask(Asked::Capable(1, CAP_SYS_ADMIN));
                            controls
                        },
                    )
                });
                let number = match mine {
                    Ok(NewMap::Keep) => 0,
                    Ok(NewMap::Nop) => 1,
                    Ok(NewMap::Of(namespace)) => {
                        assert_eq!(namespace, At::Namespace);
                        2
                    }
                    Err(reason) => {
                        if !reasons.contains(&reason) {
                            reasons.push(reason);
                        }
                        CheckError::from(reason).to_errno()
                    }
                };
                let expected = traced(|| build_mount_idmapped(&request, at, controls));
                assert_eq!((number, trace), expected, "{request:?} {at:?} {controls}");
            }
        }
    }
    assert_eq!(reasons.len(), 5);
}
