// SPDX-License-Identifier: GPL-2.0

//! Single cases: paths that lead elsewhere, callers that are elsewhere, and signals.

use std::{
    ffi::OsStr,
    fs,
    os::unix::fs::{MetadataExt, symlink},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use crate::{adopt_orphans, is_root, program, snapshot::Snapshot, wait_for_orphans};

/// A directory that is removed with this value.
pub(crate) struct Room(pub(crate) PathBuf);

impl Room {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("rows.{}.{number}", std::process::id()));
        fs::create_dir(&path).expect("a new directory");
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, name).expect(name);
        path
    }

    pub(crate) fn directory(&self, name: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir(&path).expect(name);
        path
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot::of(std::slice::from_ref(&self.0))
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A process that is ended with this value.
struct Process(Child);

impl Process {
    /// Runs a shell script, in which `ready` says that all is as it shall be.
    fn run(script: &str) -> Self {
        let mut child = Command::new("sh")
            .args(["-c", script])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let mut byte = [0];
        let output = child.stdout.as_mut().expect("its output");
        std::io::Read::read_exact(output, &mut byte).expect("it is ready");
        Self(child)
    }

    fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn explain<S: AsRef<OsStr>>(directory: &Path, arguments: &[S]) -> Output {
    Command::new(program())
        .current_dir(directory)
        .arg("explain")
        .args(arguments)
        .output()
        .expect("the program runs")
}

pub(crate) fn text(output: &Output) -> String {
    let (out, errors) = (&output.stdout, &output.stderr);
    String::from_utf8_lossy(out).into_owned() + &String::from_utf8_lossy(errors)
}

/// All operations on one path, with other names that are relative.
const OPERATIONS: [&str; 17] = [
    "--op=rename:b",
    "--op=rename:new",
    "--op=link:new",
    "--op=link:b",
    "--op=unlink",
    "--op=truncate",
    "--op=settimes",
    "--op=touch",
    "--op=chmod:600",
    "--op=chown:5",
    "--op=chgrp:5",
    "--op=setfacl:u:5",
    "--op=setcap",
    "--op=setxattr:trusted.x",
    "--op=open:rw",
    "--op=open:c",
    "--op=create",
];

#[test]
fn relative_names_count_from_the_working_directory() {
    if !is_root() {
        return;
    }
    let room = Room::new();
    room.file("a");
    room.file("b");
    let before = room.snapshot();
    let output = explain(&room.0, &[&OPERATIONS[..], &["--try", "a"]].concat());
    let text = text(&output);
    before.compare(&room.snapshot(), "--op=rename:b a");
    assert_eq!(output.status.code(), Some(0), "{text}");
    let tried = text.matches("as explained").count();
    assert_eq!(tried, OPERATIONS.len(), "{text}");
    // The name that is there is found, and not one in the root directory.
    assert!(
        text.contains("something of that name is there: EEXIST"),
        "{text}"
    );
}

#[test]
fn magic_links_lead_where_the_kernel_goes() {
    if !is_root() {
        return;
    }
    let room = Room::new();
    let (here, there) = (room.directory("here"), room.directory("there"));
    for name in ["a", "b"] {
        fs::write(here.join(name), "here").expect(name);
        fs::write(there.join(name), "there, and longer").expect(name);
    }
    std::os::unix::fs::chown(there.join("a"), Some(77), Some(77)).expect("chown");
    let script = format!(
        "exec unshare --mount sh -c 'mount --bind {} {here} && cd {here} && echo && exec sleep 1000'",
        there.display(),
        here = here.display()
    );
    let process = Process::run(&script);
    let paths = [
        format!("/proc/{}/cwd/a", process.id()),
        format!("/proc/{}/root{}/a", process.id(), here.display()),
    ];
    let before = room.snapshot();
    for path in paths {
        let output = explain(&room.0, &[&OPERATIONS[..], &["--try", &path]].concat());
        let text = text(&output);
        before.compare(&room.snapshot(), &path);
        assert!(
            text.contains("stat() shows                        77          77"),
            "{text}"
        );
        assert!(!text.contains("not what was explained"), "{text}");
    }
    // A link to a directory in another place is followed as such.
    symlink(&there, room.0.join("link")).expect("a link");
    let before = room.snapshot();
    let output = explain(&room.0, &[&OPERATIONS[..], &["--try", "link/a"]].concat());
    before.compare(&room.snapshot(), "link/a");
    assert!(
        text(&output).contains("shows                        77"),
        "{}",
        text(&output)
    );
}

#[test]
fn the_paths_of_a_process_begin_at_its_root() {
    if !is_root() {
        return;
    }
    let room = Room::new();
    let (here, there) = (room.directory("here"), room.directory("there"));
    fs::write(here.join("a"), "here").expect("a");
    fs::write(there.join("a"), "there").expect("a");
    std::os::unix::fs::chown(there.join("a"), Some(77), Some(77)).expect("chown");
    let script = format!(
        "exec unshare --mount sh -c 'mount --bind {} {here} && cd {here} && echo && exec sleep 1000'",
        there.display(),
        here = here.display()
    );
    let process = Process::run(&script);
    let option = format!("--process={}", process.id());
    let absolute = here.join("a").display().to_string();
    let before = room.snapshot();
    for path in [&*absolute, "a", "./a", "../here/a"] {
        let arguments = [
            &option,
            "--op=chmod:600",
            "--op=unlink",
            "--op=stat",
            "--try",
            path,
        ];
        let output = explain(&room.0, &arguments);
        before.compare(&room.snapshot(), path);
        let text = text(&output);
        assert_eq!(output.status.code(), Some(0), "{text}");
        assert!(
            text.contains("shows                        77          77"),
            "{text}"
        );
        assert_eq!(text.matches("as explained").count(), 3, "{text}");
    }
}

#[test]
fn a_root_of_a_process_is_the_end_of_its_paths() {
    if !is_root() {
        return;
    }
    let room = Room::new();
    let jail = room.directory("jail");
    fs::write(jail.join("a"), "inside").expect("a");
    fs::write(room.0.join("a"), "outside").expect("a");
    std::os::unix::fs::chown(jail.join("a"), Some(77), Some(77)).expect("chown");
    let script = format!(
        "perl -e 'chroot $ARGV[0] or die; chdir \"/\"; $| = 1; print \"x\"; sleep 1000' {}",
        jail.display()
    );
    let process = Process::run(&format!("exec {script}"));
    let option = format!("--process={}", process.id());
    for path in ["/a", "a", "../../a", "/../a"] {
        let output = explain(&room.0, &[&option, "--op=stat", "--try", path]);
        let text = text(&output);
        assert!(
            text.contains("shows                        77          77"),
            "{path}: {text}"
        );
        assert_eq!(output.status.code(), Some(0), "{path}: {text}");
    }
}

#[test]
fn a_caller_without_names_for_its_groups_is_tried() {
    if !is_root() {
        return;
    }
    let room = Room::new();
    room.file("a");
    let process = Process::run(
        "exec setpriv --groups=5500 unshare --user --map-root-user sh -c 'echo; exec sleep 1000'",
    );
    let option = format!("--process={}", process.id());
    let path = room.0.join("a").display().to_string();
    let output = explain(
        &room.0,
        &[&option, "--op=stat", "--op=chmod:600", "--try", &path],
    );
    let text = text(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
}

#[test]
fn a_caller_whose_map_is_not_written_is_answered_as_by_the_kernel() {
    if !is_root() {
        return;
    }
    let room = Room::new();
    room.file("a");
    let process = Process::run("exec unshare --user sh -c 'echo; exec sleep 1000'");
    let option = format!("--process={}", process.id());
    let path = room.0.display().to_string();
    let output = explain(
        &room.0,
        &[&option, "--op=create", "--op=stat", "--try", &path],
    );
    let text = text(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
}

#[test]
fn signals_leave_nothing_behind() {
    if !is_root() {
        return;
    }
    let room = Room::new();
    room.file("a");
    room.file("b");
    adopt_orphans();
    let before = room.snapshot();
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGKILL] {
        for delay in (0..12_000).step_by(400) {
            let mut child = Command::new(env!("CARGO_BIN_EXE_mount-idmapped"))
                .current_dir(&room.0)
                .args([
                    "explain",
                    "--op=rename:b",
                    "--op=unlink",
                    "--op=chmod:0",
                    "--try",
                    "a",
                ])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("the program runs");
            std::thread::sleep(Duration::from_micros(delay));
            // SAFETY: This call takes no pointer, and the child has not been waited for.
            unsafe { libc::kill(child.id() as i32, signal) };
            child.wait().expect("the program ends");
            wait_for_orphans(None, "a signal");
        }
    }
    before.compare(&room.snapshot(), "a signal");
}

#[test]
fn a_name_that_cannot_be_tried_is_refused_with_the_reason() {
    if !is_root() {
        return;
    }
    let room = Room::new();
    room.directory("d");
    let before = room.snapshot();
    let output = explain(
        &room.0,
        &["--op=rename:d/e", "--try", "/proc/sys/kernel/ostype"],
    );
    assert!(
        text(&output).contains("EXDEV, as explained"),
        "{}",
        text(&output)
    );
    let mount = Command::new("sh")
        .arg("-c")
        .arg(format!(
            "unshare --mount sh -c 'mount -t tmpfs x {0}/d && {1} explain --op=rmdir --try {0}/d'",
            room.0.display(),
            env!("CARGO_BIN_EXE_mount-idmapped")
        ))
        .output()
        .expect("a shell");
    let text = text(&mount);
    assert!(
        text.contains("not tried: something is mounted on it"),
        "{text}"
    );
    assert_eq!(mount.status.code(), Some(4), "{text}");
    before.compare(&room.snapshot(), "a mount point");
    assert_eq!(fs::metadata(room.0.join("d")).expect("it").nlink(), 2);
}

#[test]
fn the_directory_of_the_first_name_is_searched_before_the_second_path() {
    if !is_root() {
        return;
    }
    let room = Room::new();
    room.file("a");
    let directory = room.directory("d");
    fs::write(directory.join("f"), "f").expect("f");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::set_permissions(&directory, mode).expect("chmod");
    let output = explain(&room.0, &["--as=7", "--op=rename:a/x", "--try", "d/f"]);
    let text = text(&output);
    assert!(text.contains("EACCES, as explained"), "{text}");
}

#[test]
fn rmdir_keeps_attributes_of_users() {
    if !is_root() {
        return;
    }
    let room = Room::new();
    let directory = room.directory("d");
    for name in ["user.a", "trusted.a"] {
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(&directory, name, b"value", flags).expect(name);
    }
    let before = room.snapshot();
    let output = explain(&room.0, &["--op=rmdir", "--try", "d"]);
    before.compare(&room.snapshot(), "rmdir");
    let text = text(&output);
    assert!(text.contains("it worked, as explained"), "{text}");
}

/// Makes directories for overlayfs on a tmpfs at `m` of a room.
fn layers(room: &Room) -> String {
    let place = room.0.join("m").display().to_string();
    format!(
        "mkdir -p {place} && mount -t tmpfs none {place} && cd {place} && mkdir l u w o && echo >l/f"
    )
}

#[test]
fn an_overlay_of_another_mount_namespace_is_named() {
    if !is_root() {
        return;
    }
    let room = Room::new();
    let layers = layers(&room);
    let process = Process::run(&format!(
        "exec unshare --mount sh -c '{layers} && mount -t overlay none -o \
         lowerdir=l,upperdir=u,workdir=w o && echo && exec sleep 1000'"
    ));
    let path = format!("/proc/{}/root{}/m/o", process.id(), room.0.display());
    let output = explain(&room.0, &["--op=open:w", "--try", &format!("{path}/f")]);
    let text = text(&output);
    assert!(
        text.contains("--namespace looks from its mount namespace"),
        "{text}"
    );
    let check = Command::new(program()).args(["check", &path]).output();
    let errors = String::from_utf8_lossy(&check.expect("the program runs").stderr).into_owned();
    let words = "of another mount namespace, whose mounts are copied only there";
    assert!(errors.contains(words), "{errors}");
}

#[test]
fn a_read_only_overlay_names_the_cause() {
    if !is_root() {
        return;
    }
    let room = Room::new();
    // Without user 0, overlayfs makes nothing in its work directory.
    let script = format!(
        "unshare --mount sh -c '{} && chown 5:5 u w && mkdir -p mm && {1} --map-mount=b:5:6:1 . mm && \
         mount -t overlay none -o lowerdir=l,upperdir=mm/u,workdir=mm/w o && \
         {1} explain --op=open:w --op=unlink --try o/f'",
        layers(&room),
        program().display()
    );
    let output = Command::new("sh").args(["-c", &script]).output();
    let text = text(&output.expect("a shell"));
    let cause = "takes an entry for user and group 0";
    assert_eq!(text.matches(cause).count(), 2, "{text}");
    assert_eq!(text.matches("EROFS, as explained").count(), 2, "{text}");
}
