// SPDX-License-Identifier: GPL-2.0

//! Terminals of 40 columns: no line is longer if it has a blank at which it can be broken.

use std::{
    fs::File,
    io::Read,
    os::fd::OwnedFd,
    path::PathBuf,
    process::{Command, Stdio},
};

use rustix::{
    fs::{CWD, Mode, OFlags, openat},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};

const COLUMNS: u16 = 40;
const TOOL: &str = env!("CARGO_BIN_EXE_mount-idmapped");

/// What a shell script prints on such a terminal, where `$T` is the tool.
fn print(text: &str) -> String {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&ours).expect("its other end");
    unlockpt(&ours).expect("its other end");
    let name = ptsname(&ours, Vec::new()).expect("a name");
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let theirs: OwnedFd = openat(CWD, name, flags, Mode::empty()).expect("its other end");
    let size = Winsize {
        ws_row: 50,
        ws_col: COLUMNS,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&ours, size).expect("a size");
    let end = || Stdio::from(theirs.try_clone().expect("a descriptor"));
    let mut command = Command::new("sh");
    command
        .args(["-c", text])
        .env("T", TOOL)
        .env("NO_COLOR", "1")
        .env_remove("COLUMNS")
        .stdin(end())
        .stdout(end())
        .stderr(end());
    let mut child = command.spawn().expect("the program runs");
    drop((command, theirs));
    let mut all = Vec::new();
    let mut part = [0; 4096];
    let mut file = File::from(ours);
    // The other end is closed when the programs have ended, which reads as an error.
    while let Ok(count @ 1..) = file.read(&mut part) {
        all.extend_from_slice(&part[..count]);
    }
    child.wait().expect("the program ends");
    String::from_utf8(all).expect("a text").replace('\r', "")
}

/// Each line fits, or is one word.
fn check(text: &str, what: &str) {
    assert!(text.lines().count() > 1, "{what}: {text}");
    for line in text.lines() {
        let is_word = !line.trim().contains(' ');
        let is_fitting = line.chars().count() <= usize::from(COLUMNS);
        assert!(is_fitting || is_word, "{what}: {line:?}\n{text}");
    }
}

/// Nothing is cut: a pipe gets the same words.
fn check_words(script: &str) {
    let text = print(script);
    check(&text, script);
    let mut command = Command::new("sh");
    command.args(["-c", script]).env("T", TOOL);
    let output = command.output().expect("the program runs");
    let whole = [output.stdout, output.stderr].concat();
    let whole = String::from_utf8(whole).expect("a text");
    assert!(
        text.split_whitespace().eq(whole.split_whitespace()),
        "{text}"
    );
}

#[test]
fn help_fits() {
    for task in [
        "", "mount", "umount", "list", "check", "explain", "shift", "compose",
    ] {
        check_words(&format!("$T {task} --help"));
    }
    check_words("d=$(mktemp -d); ln -s $T $d/mount.idmapped; $d/mount.idmapped -h; rm -r $d");
}

#[test]
fn errors_fit() {
    for words in [
        "--map-mount=b:0:1:1 /none /none",
        "--map-mount=b:0:1 /none /none",
        "--map-mount=b:0:1:1 -o loud,ro /none /none",
        "--nonsense",
        "check /proc",
        "umount /proc/self",
        "mount /none /none",
        "explain --op=fly /",
        "invert b:0:1",
    ] {
        check_words(&format!("$T {words}"));
    }
}

#[test]
fn explanations_and_lists_fit() {
    let directory = std::env::temp_dir().join(format!("narrow.{}", std::process::id()));
    let path = |name: &str| -> PathBuf { directory.join(name) };
    std::fs::create_dir_all(path("s")).expect("a directory");
    std::fs::create_dir_all(path("t")).expect("a directory");
    let script = format!(
        "cd {}; $T list s; $T explain --op=stat --op=create s; \
         unshare --mount sh -c '$T --map-mount=b:0:1000:1 --map-mount=b:5:70000:1 \
         --map-mount=b:6:80000:1 s t && $T list && $T explain --as=7 --op=create --op=chmod:600 t'",
        directory.display()
    );
    let text = print(&script);
    std::fs::remove_dir_all(&directory).expect("it is removed");
    assert!(text.contains("stat() shows: "), "{text}");
    check(&text, "list and explain");
}
