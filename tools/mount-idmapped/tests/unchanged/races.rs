// SPDX-License-Identifier: GPL-2.0

//! What makes an operation fail changes while it is tried: nothing is lost, and nobody is disturbed.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::ErrorKind,
    os::unix::{fs::MetadataExt, net::UnixListener},
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use rustix::{
    fs::{IFlags, ioctl_getflags, ioctl_setflags},
    mount::{
        MountFlags, MountPropagationFlags, UnmountFlags, mount_bind, mount_change, mount_remount,
        unmount,
    },
    thread::{UnshareFlags, unshare_unsafe},
};

use crate::{
    is_root, program,
    rows::{Room, explain, text},
};

/// Operations that would remove, replace or change something.
const LOSSES: [&str; 9] = [
    "--op=unlink",
    "--op=rename:d",
    "--op=rename:b",
    "--op=rename:new",
    "--op=rename:../s/b",
    "--op=truncate",
    "--op=chmod:0",
    "--op=settimes",
    "--op=setxattr:trusted.x",
];

/// Makes two directories with files and directories of the same names.
fn fill(room: &Room) {
    for name in ["m", "s"] {
        let directory = room.directory(name);
        for file in ["a", "b", "c"] {
            fs::write(directory.join(file), "text").expect(file);
        }
        fs::create_dir(directory.join("d")).expect("a directory");
        fs::create_dir(directory.join("e")).expect("a directory");
    }
}

/// Gives this thread, and those that it starts, a mount namespace of their own.
fn own_mounts() {
    // SAFETY: No other thread shares the mounts of this one after that, which is the purpose;
    // descriptors stay shared.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }.expect("unshare");
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).expect("making mounts private");
}

/// What was made by [`fill`], with mode, contents and times of files. Names that an attempt made may be
/// left in a directory that has become immutable, which the program reports.
fn kept(room: &Room) -> BTreeMap<PathBuf, (u32, i64, String)> {
    let mut all = BTreeMap::new();
    for directory in ["m", "s"] {
        for entry in fs::read_dir(room.0.join(directory)).expect(directory) {
            let path = entry.expect("an entry").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with(".mount-idmapped-try.") {
                continue;
            }
            let status = fs::symlink_metadata(&path).expect("an object");
            let (text, time) = match status.is_file() {
                true => (fs::read_to_string(&path).expect("a file"), status.mtime()),
                false => (String::new(), 0),
            };
            all.insert(path, (status.mode(), time, text));
        }
    }
    all
}

/// Tries the operations while `toggle` is called with one and the other value.
fn try_during(room: &Room, toggle: impl Fn(bool) + Send + Sync) {
    toggle(false);
    let before = kept(room);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                toggle(true);
                toggle(false);
            }
        });
        let place = room.0.join("m");
        for round in 0..24 {
            let (path, other) = match round % 3 {
                0 => ("a", "../s/c"),
                1 => ("e", "../s/e"),
                _ => ("../s/c", "b"),
            };
            let more = format!("--op=rename:{other}");
            let arguments = [
                "--op=rmdir",
                "--op=link:new",
                "--op=mkdir",
                &more,
                "--try",
                path,
            ];
            explain(&place, &[&LOSSES[..], &arguments].concat());
        }
        is_over.store(true, Ordering::Relaxed);
    });
    toggle(false);
    assert_eq!(kept(room), before);
}

#[test]
fn a_mount_that_becomes_writable_loses_nothing() {
    if !is_root() {
        return;
    }
    let room = Room::new();
    fill(&room);
    thread::scope(|scope| {
        scope.spawn(|| {
            own_mounts();
            mount_bind(&room.0, &room.0).expect("binding");
            try_during(&room, |is_read_only| {
                let mut flags = MountFlags::BIND;
                flags.set(MountFlags::RDONLY, is_read_only);
                // Not while a file is open for writing.
                let _ = mount_remount(&room.0, flags, "");
            });
            unmount(&room.0, UnmountFlags::DETACH).expect("unmounting");
        });
    });
}

fn lock(path: &Path, flag: IFlags, is_locked: bool) {
    let file = File::open(path).expect("a directory");
    let flags = ioctl_getflags(&file).expect("its flags");
    let flags = match is_locked {
        true => flags | flag,
        false => flags - flag,
    };
    ioctl_setflags(&file, flags).expect("setting its flags");
}

#[test]
fn a_directory_that_is_unlocked_loses_nothing() {
    if !is_root() {
        return;
    }
    for flag in [IFlags::IMMUTABLE, IFlags::APPEND] {
        let room = Room::new();
        fill(&room);
        let place = room.0.join("m");
        try_during(&room, |is_locked| lock(&place, flag, is_locked));
    }
}

/// Tries operations, each with a path below `m` and a text of the output. None changes the room.
fn try_rows(room: &Room, rows: &[(&str, &str, &str)]) {
    let before = room.snapshot();
    for (operation, path, expected) in rows {
        let options = [&format!("--op={operation}"), "--try", path];
        let text = text(&explain(&room.0.join("m"), &options));
        assert!(text.contains(expected), "{operation} of {path}: {text}");
        before.compare(&room.snapshot(), operation);
    }
}

#[test]
fn names_in_locked_directories_are_tried_or_refused_with_the_reason() {
    if !is_root() {
        return;
    }
    let room = Room::new();
    fill(&room);
    let place = room.0.join("m");
    lock(&place, IFlags::IMMUTABLE, true);
    let rows = [
        ("unlink", "a", "EPERM, as explained"),
        ("unlink", "d", "EPERM, as explained"),
        ("unlink", "a/", "ENOTDIR, as explained"),
        ("unlink", "missing", "ENOENT, as explained"),
        ("rmdir", "d", "EPERM, as explained"),
        ("rmdir", "d/", "EPERM, as explained"),
        ("rmdir", "a", "EPERM, as explained"),
        ("rmdir", "d/..", "ENOTEMPTY, as explained"),
        ("rename:b", "a", "not tried"),
        ("rename:a", "a", "it worked, as explained"),
        ("rename:../s/b", "a", "EPERM, as explained"),
        ("rename:../s/new", "d", "EPERM, as explained"),
        ("rename:new", "../s/a", "EPERM, as explained"),
        ("rename:d", "../s/a", "EPERM, as explained"),
        ("rename:a", "../s/a", "not tried"),
        ("mkdir", "new", "EPERM, as explained"),
        ("mkdir", "a", "EEXIST, as explained"),
        ("link:new", "../s/a", "EPERM, as explained"),
    ];
    try_rows(&room, &rows);
    lock(&place, IFlags::IMMUTABLE, false);
    // A name that is made in an append-only directory would stay.
    lock(&place, IFlags::APPEND, true);
    let rows = [
        (
            "rename:new",
            "../s/a",
            "append-only directory cannot be removed again",
        ),
        (
            "mkdir",
            "new",
            "append-only directory cannot be removed again",
        ),
        ("unlink", "a", "EPERM, as explained"),
        ("rename:../s/new", "a", "EPERM, as explained"),
    ];
    try_rows(&room, &rows);
    lock(&place, IFlags::APPEND, false);
}

#[test]
fn nobody_notices_an_attempt_on_a_read_only_mount() {
    if !is_root() {
        return;
    }
    let room = Room::new();
    let listener = UnixListener::bind(room.0.join("socket")).expect("a socket");
    listener.set_nonblocking(true).expect("a socket");
    let run = |line: &str| {
        let script = format!(
            "mount --bind {0} {0} && mount -o remount,bind,ro {0} && {1} explain {line}",
            room.0.display(),
            program().display(),
        );
        let mut unshare = Command::new("unshare");
        text(
            &unshare
                .args(["--mount", "sh", "-c", &script])
                .output()
                .expect("a shell"),
        )
    };
    let path = room.0.display();
    let output = run(&format!("--op=connect --try {path}/socket"));
    let accepted = listener.accept().map(drop).map_err(|error| error.kind());
    assert_eq!(accepted, Err(ErrorKind::WouldBlock), "{output}");
    assert!(output.contains("not tried"), "{output}");
    // A reader of a pipe waits for one who writes.
    rustix::fs::mkfifoat(rustix::fs::CWD, room.0.join("pipe"), 0o600.into()).expect("a pipe");
    let mut reader = Command::new("cat")
        .arg(room.0.join("pipe"))
        .spawn()
        .expect("cat");
    thread::sleep(std::time::Duration::from_millis(200));
    let output = run(&format!("--op=open:w --try {path}/pipe"));
    thread::sleep(std::time::Duration::from_millis(200));
    let status = reader.try_wait().expect("cat");
    let _ = reader.kill();
    let _ = reader.wait();
    assert!(status.is_none() && output.contains("not tried"), "{output}");
}
