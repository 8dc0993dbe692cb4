// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The examples do what they are for.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
};

/// An example, which cargo builds before this test.
fn example(name: &str) -> PathBuf {
    let mut path = std::env::current_exe().expect("this test");
    path.pop();
    path.pop();
    path.join("examples").join(name)
}

/// Runs a shell script in a mount namespace of its own, with the directory of the examples as $E.
fn script(text: &str) -> Output {
    let directory = example("");
    Command::new("unshare")
        .args(["--mount", "sh", "-ec", text])
        .env("E", directory)
        .env(
            "D",
            std::env::temp_dir().join(format!("examples.{}", std::process::id())),
        )
        .output()
        .expect("unshare runs")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn maps_need_no_rights() {
    let output = Command::new(example("maps")).output().expect("it runs");
    let text = text(&output);
    for line in [
        "33 is seen as Some(100033)",
        "100033 is stored as Some(33)",
        "the way back is b:100000:0:65536",
        "both in one are b:0:300000:65536",
    ] {
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn mounts_are_made_listed_and_explained() {
    if fs::metadata("/proc/self").is_ok_and(|it| std::os::unix::fs::MetadataExt::uid(&it) != 0) {
        eprintln!("skipped: this needs root");
        return;
    }
    let output = script(
        "mkdir $D; mount -t tmpfs x $D; cd $D; mkdir s t c; echo > s/f; chmod 600 s/f
         $E/mount b:0:1000:1 s t; stat -c 'mount %u' t/f
         $E/list | grep \" b:0:1000:1\"
         $E/open_detached b:0:77:1 s
         $E/explain 1000 open:rw t/f
         $E/explain 1001 open:rw t/f
         unshare --mount --user --map-root-user sleep 1000 & sleep 0.5
         $E/container $! s $D/c; nsenter -t $! -U -m stat -c 'container %u' $D/c/f
         kill $!",
    );
    let text = text(&output);
    for line in [
        "mount 1000",
        "/t b:0:1000:1",
        "        77         77 f",
        "it works",
        "fails in inode_permission",
        "container 0",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let _ = fs::remove_dir(std::env::temp_dir().join(format!("examples.{}", std::process::id())));
}
