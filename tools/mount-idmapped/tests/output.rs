// SPDX-License-Identifier: GPL-2.0

//! Texts that a terminal can show, and a standard error that nobody can write to.

use std::{
    fs,
    fs::File,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// A directory that is removed with this value.
struct Room(PathBuf);

impl Room {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("{name}.{}", std::process::id()));
        fs::create_dir(&path).expect("a new directory");
        Self(path)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn tool(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mount-idmapped"));
    command.args(words);
    command
}

fn run(command: &mut Command) -> Output {
    command.output().expect("the program runs")
}

/// Whether this process may mount.
fn is_root() -> bool {
    let status = fs::metadata("/proc/self").expect("this process");
    status.uid() == 0
}

/// Runs a shell script in a mount namespace of its own, with the room as `$D` and the tool as `$T`.
fn script(flags: &str, room: &Room, text: &str) -> Output {
    run(Command::new("unshare")
        .args(["--mount", "sh", flags, text])
        .env("D", &room.0)
        .env("T", env!("CARGO_BIN_EXE_mount-idmapped")))
}

/// Whether bytes are the lines that a program has meant to print.
fn is_plain(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte >= b' ' || *byte == b'\n')
}

#[test]
fn control_characters_of_names_are_printed_as_digits() {
    let room = Room::new("output\x1b[31m");
    let directory = room.0.to_str().expect("a text");
    let missing = format!("{directory}/\x1b]0;title\x07");
    for words in [
        &["explain", "--op=rename:\x1b[2J", "--op=unlink", directory][..],
        &["explain", "--op=stat", &missing],
        &["check", "--recursive", directory],
        &["check", &missing],
        &["umount", directory],
        &["--map-mount=b:0:1:1", &missing, directory],
        &["--map-mount=b:0:1:1", directory, &missing],
    ] {
        let output = run(&mut tool(words));
        let text = [output.stdout, output.stderr].concat();
        assert!(
            is_plain(&text),
            "{words:?}: {:?}",
            String::from_utf8_lossy(&text)
        );
        assert!(text.windows(4).any(|part| part == b"\\033"), "{words:?}");
    }
}

#[test]
fn an_error_that_cannot_be_written_is_the_same_error() {
    let wrong = ["--map-mount=b:0:1:1", "/none", "/none"];
    for (words, status) in [
        (&wrong[..], 1),
        (&["--nonsense"], 2),
        (&["invert", "b:0:1"], 2),
    ] {
        let full = File::options().write(true).open("/dev/full");
        let full = full.expect("a device");
        let output = run(tool(words).stdout(Stdio::null()).stderr(full));
        assert_eq!(output.status.code(), Some(status), "{words:?}");
    }
    let closed = format!(
        "exec {} --map-mount=b:0:1:1 /none /none 2>&-",
        env!("CARGO_BIN_EXE_mount-idmapped")
    );
    let output = run(Command::new("sh").args(["-c", &closed]));
    assert_eq!(output.status.code(), Some(1));
}

/// TO counts in the user namespace of a process: 0 is its 0, which is 1000 here.
#[test]
fn a_map_may_be_relative_to_a_process() {
    if !is_root() {
        eprintln!("skipped: this needs root");
        return;
    }
    let room = Room::new("relative");
    let text = "mount -t tmpfs none $D; cd $D; mkdir source target; touch source/file
        unshare --user sleep 1000 & sleep 0.3; trap 'kill $!' EXIT
        echo 0 1000 10 > /proc/$!/uid_map; echo 0 2000 10 > /proc/$!/gid_map
        $T mount --map=b:0:3:1 --relative-to=$! source target
        stat -c %u:%g target/file
        $T umount target
        $T mount --map=b:0:50:1 --relative-to=$! source target || echo $?";
    let output = script("-ec", &room, text);
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(text, "1003:2003\n2\n", "{errors}");
}

#[test]
fn mounts_that_cannot_have_a_map_are_left_out() {
    if !is_root() {
        eprintln!("skipped: this needs root");
        return;
    }
    let room = Room::new("skip");
    let text = "mount -t tmpfs none $D; cd $D; mkdir -p s/yes s/no t
        mount -t tmpfs none s/yes; mount -t proc none s/no; touch s/f s/yes/f
        mkdir s/yes/deep; mount -t tmpfs none s/yes/deep; touch s/yes/deep/f
        $T mount --map=b:0:5:1 --recursive s t && echo mounted
        $T mount --map=b:0:5:1 --recursive --skip-unmappable s t
        stat -c %u t/f t/yes/f t/yes/deep/f; ls t/no | wc -l
        $T umount --lazy t
        $T mount --map=b:0:5:1 --recursive --skip-unmappable s/no t || echo $?";
    let output = script("-c", &room, text);
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(text, "5\n5\n5\n0\n1\n", "{errors}");
    let left_out = errors.lines().filter(|line| line.contains("left out: "));
    let left_out: Vec<&str> = left_out.collect();
    assert!(
        matches!(left_out[..], [line] if line.contains("/s/no: ")),
        "{errors}"
    );
}

#[test]
fn the_filesystem_of_an_image_is_mounted() {
    if !is_root() || !Path::new("/dev/loop-control").exists() {
        eprintln!("skipped: this needs root and loop devices");
        return;
    }
    let room = Room::new("loop");
    let text = "cd $D; mkdir t tmp; truncate -s 4M i; mkfs.ext4 -q -F i; export TMPDIR=$D/tmp
        $T mount -o loop,idmap=b:0:5:1 i t && stat -c %u:%g t/lost+found
        findmnt -no FSTYPE t; $T umount t
        $T --map-mount=b:0:6:1 -o loop,ro i t && stat -c %u:%g t/lost+found
        touch t/new 2>/dev/null || echo read-only; $T umount t
        $T mount -o loop,idmap=b:0:5:1 /dev/null t || echo $?
        $T mount -o loop,idmap=b:0:5:1 i none || echo $?
        ls -A tmp; losetup -j i; rmdir t";
    let output = script("-c", &room, text);
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    let expected = "5:5\next4\n6:6\nread-only\n1\n1\n";
    assert_eq!(text, expected, "{errors}");
    assert!(output.status.success(), "{errors}");
}

/// What list prints as covered is what umount does not remove.
#[test]
fn list_and_umount_agree_on_what_is_covered() {
    if !is_root() {
        eprintln!("skipped: this needs root");
        return;
    }
    let room = Room::new("agree");
    let text = "mount -t tmpfs none $D; cd $D; mkdir s t
        $T --map-mount=b:0:5:1 s t; $T list t | grep -c covered
        mount -t tmpfs none t; $T list | grep $D/t' (covered)' | wc -l
        $T list --json | grep -c '\"target\":\"'$D'/t\".*\"covered\":true'
        $T umount t || echo $?; umount t; $T list | grep -c covered; $T umount t && echo removed";
    let output = script("-c", &room, text);
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(text, "0\n1\n1\n1\n0\nremoved\n", "{errors}");
    assert!(errors.contains("covers one that has"), "{errors}");
}

/// In another mount namespace the working directory is its root, so that a relative path would name
/// another file.
#[test]
fn paths_in_another_mount_namespace_are_absolute() {
    if !is_root() {
        eprintln!("skipped: this needs root");
        return;
    }
    let room = Room::new("absolute");
    let text = "mount -t tmpfs none $D; cd $D; mkdir s t; touch s/f
        unshare --mount sleep 1000 & sleep 0.3; trap 'kill $!' EXIT
        for task in 'mount --map=b:0:5:1 s t' 'umount t' 'list t' 'explain t'; do
            $T $task -N $! >/dev/null; echo $?
        done
        $T mount -N $! --map=b:0:5:1 s $D/t && $T explain -N $! $D/t/f | grep -c 'shows  .* 5 '
        $T list -N $! | grep -c $D/t; ls t; $T umount -N $! $D/t; $T list -N $! | grep -c $D/t";
    let output = script("-c", &room, text);
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(text, "2\n2\n2\n2\n1\n1\n0\n", "{errors}");
    assert!(errors.contains("t: with --namespace"), "{errors}");
}

#[test]
fn explain_has_a_status_for_an_operation_that_fails() {
    let status = |words: &[&str]| {
        let output = run(tool(words).stderr(Stdio::null()));
        output.status.code()
    };
    let as_nobody = ["explain", "--as=65533", "--op=unlink", "/etc/passwd"];
    assert_eq!(status(&as_nobody), Some(0));
    let and = |words: &[&'static str]| [words, &as_nobody[1..]].concat();
    assert_eq!(status(&and(&["explain", "--exit-code"])), Some(5));
    assert_eq!(
        status(&["explain", "--exit-code", "--op=stat", "/"]),
        Some(0)
    );
    assert_eq!(status(&["explain", "--exit-code", "/"]), Some(2));
}
