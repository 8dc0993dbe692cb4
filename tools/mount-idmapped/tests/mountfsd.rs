// SPDX-License-Identifier: GPL-2.0

//! `--mountfsd` with services that stand in for those of systemd: what they are sent is checked, and
//! the mount that they make is attached in the user namespace whose ids they give.

use std::{
    env, fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::PathBuf,
    process::{Command, Output},
};

/// The ids that the services give.
const RANGE: &str = "700000";

/// A directory that is removed with this value.
struct Room(PathBuf);

impl Drop for Room {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs a shell script as user 1000, in whose mount namespace the services are there, or, with
/// [`None`], are not.
fn script(name: &str, services: Option<&str>, text: &str) -> Option<Output> {
    if fs::metadata("/proc/self").expect("this process").uid() != 0 {
        eprintln!("skipped: this needs root");
        return None;
    }
    let path = env::temp_dir().join(format!("mountfsd.{name}.{}", std::process::id()));
    let room = Room(path);
    for name in ["", "sockets", "target", "source"] {
        let path = room.0.join(name);
        fs::create_dir(&path).expect("a new directory");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a mode");
    }
    let file = room.0.join("source/file");
    fs::write(&file, "x").expect("a file");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("a mode");
    // The program is where this user cannot look.
    let tool = room.0.join("mount-idmapped");
    fs::copy(env!("CARGO_BIN_EXE_mount-idmapped"), &tool).expect("a copy");
    let start = "mkdir -p /run/systemd; chown -R 1000:1000 $D/source
        mount --bind $D/sockets /run/systemd
        if [ -n \"$OLD$NEW\" ]; then
            setsid python3 $PY $D/sockets $RANGE $OLD & services=$!
            while ! [ -S $D/sockets/io.systemd.MountFileSystem ]; do sleep 0.05; done; sleep 0.1
        fi
        setpriv --reuid=1000 --regid=1000 --clear-groups sh -c \"$TEXT\"; status=$?
        [ -z \"$services\" ] || kill -- -$services
        exit $status";
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", start])
        .env("D", &room.0)
        .env("T", &tool)
        .env("RANGE", RANGE)
        .env(
            "NEW",
            services.filter(|which| *which == "new").unwrap_or_default(),
        )
        .env(
            "OLD",
            services.filter(|which| *which == "old").unwrap_or_default(),
        )
        .env(
            "PY",
            concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mountfsd.py"),
        )
        .env("TEXT", text)
        .current_dir("/")
        .output();
    Some(output.expect("unshare runs"))
}

#[test]
fn a_plain_user_is_root_of_the_mount() {
    let text = "$T --mountfsd $D/source $D/target sh -c \
                'stat -c %u $D/target/file; cat $D/target/file; echo; echo new > $D/target/new; \
                 cat /proc/self/uid_map'; stat -c %u:%g $D/source/new; ls $D/target
        $T --mountfsd -o ro $D/source $D/target sh -c 'echo > $D/target/no' || echo $?
        $T --mountfsd $D/source $D/target sh -c 'exit 7' || echo $?";
    let Some(output) = script("root", Some("new"), text) else {
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    let words: Vec<&str> = text.split_whitespace().collect();
    let expected = ["0", "x", "0", RANGE, "65536", "1000:1000", "2", "7"];
    assert_eq!(words, expected, "{errors}");
    assert!(errors.contains("Read-only file system"), "{errors}");
}

#[test]
fn a_service_that_is_not_there_is_named() {
    let text = "$T --mountfsd $D/source $D/target true || echo $?";
    for (name, services, error) in [
        (
            "none",
            None,
            "io.systemd.NamespaceResource does not run: systemd 258",
        ),
        (
            "old",
            Some("old"),
            "older than systemd 258, which has MountDirectory",
        ),
    ] {
        let Some(output) = script(name, services, text) else {
            return;
        };
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(String::from_utf8_lossy(&output.stdout), "1\n", "{errors}");
        assert!(errors.contains(error), "{errors}");
    }
}
