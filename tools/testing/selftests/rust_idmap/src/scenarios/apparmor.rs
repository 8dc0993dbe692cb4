// SPDX-License-Identifier: GPL-2.0

//! AppArmor: a rule with `owner` is about the owner that is seen.
//!
//! Everything here is open to everybody by its permission bits, so that nothing but the profile
//! refuses anything.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kselftest::errno::from_io;
use kselftest::ktap::{failed, skipped, Context, Failure, Outcome};
use kselftest::raw;
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::net::{connect, socket, AddressFamily, SocketAddrUnix, SocketType};

use super::{note, nothing, scenario, Scenario, WITH_OWNERS};
use crate::caller::{everybody, CallerNamespaces, CallerNs, SyscallResult, Who, DISK, SEEN};
use crate::calls;
use crate::fixture::{Fixture, TestCase};
use crate::op::{EACCES, OK};

pub(super) const ALL: &[Scenario] = &[
    scenario("apparmor.open", WITH_OWNERS, opening),
    scenario("apparmor.link", WITH_OWNERS, linking),
    scenario("apparmor.connect", WITH_OWNERS, connecting),
];

/// Not there if it is not in use.
const IN_USE: &str = "/sys/kernel/security/apparmor/features";

/// The features that profiles are compiled for. These are not the permission tables of current
/// kernels: in those that compilers before 5.0 make, a rule with `owner` applies to all callers.
const FEATURES: &str = "\
file {mask {create read write exec append mmap_exec link lock}}
domain {change_profile {yes} version {1.2}}
network_v8 {af_mask {unspec unix}}
network_v9 {af_mask {unspec unix} af_unix {yes}}
policy {versions {v8 {yes} v7 {yes} v6 {yes} v5 {yes}}}
";

/// Profiles in the kernel, removed with the value.
struct Profiles {
    /// For owners only.
    owners: String,
    /// Allows no files.
    none: String,
    text: String,
    features: PathBuf,
}

impl Profiles {
    fn load(case: &TestCase) -> Result<Self, Failure> {
        if !Path::new(IN_USE).is_dir() {
            return Err(skipped("AppArmor is not in use; lsm= at boot asks for it"));
        }
        // Two filesystems are tested at the same time.
        let owners = format!("rust_idmap_owners_{}", case.kind.name);
        let none = format!("rust_idmap_none_{}", case.kind.name);
        let (disk, seen) = (case.disk.display(), case.seen.display());
        let text = format!(
            "profile {owners} {{\n\
             owner {disk}/** rwl,\n\
             owner {seen}/** rwl,\n\
             network,\n\
             }}\n\
             profile {none} {{\n\
             network,\n\
             }}\n"
        );
        let features = Path::new(crate::ROOT).join(format!("features-{}", case.kind.name));
        fs::write(&features, FEATURES).context("writing what profiles are compiled to")?;
        parser("--replace", &features, &text)?;
        Ok(Self {
            owners,
            none,
            text,
            features,
        })
    }
}

impl Drop for Profiles {
    fn drop(&mut self) {
        let removed = parser("--remove", &self.features, &self.text);
        if let Err(Failure::Failed(why) | Failure::Skipped(why)) = removed {
            eprintln!("profiles are left in the kernel: {why}");
        }
    }
}

/// Gives profiles to the compiler, which hands them to the kernel.
fn parser(action: &str, features: &Path, text: &str) -> Outcome {
    let child = Command::new("apparmor_parser")
        .args([action, "--skip-cache", "--quiet", "--features-file"])
        .arg(features)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.map_err(|error| match error.kind() {
        ErrorKind::NotFound => skipped("there is no apparmor_parser to load a profile"),
        _ => failed(format_args!("apparmor_parser: {error}")),
    })?;
    if let Some(mut input) = child.stdin.take() {
        input
            .write_all(text.as_bytes())
            .context("apparmor_parser")?;
    }
    let output = child.wait_with_output().context("apparmor_parser")?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(failed(format_args!("apparmor_parser: {said}")))
        }
    }
}

/// Puts this process under a profile.
fn confine(profile: &str) -> Result<(), Errno> {
    fs::write(
        "/proc/thread-self/attr/current",
        format!("changeprofile {profile}"),
    )
    .map_err(from_io)
}

/// The callers that a rule with `owner` applies to.
fn expected(who: Who) -> SyscallResult {
    match who {
        Who::Owner => OK,
        _ => EACCES,
    }
}

/// A directory in which everybody may do everything.
fn open_to_all(fixture: &Fixture) -> Result<TestCase, Failure> {
    let case = fixture.case(Who::Owner, CallerNs::Initial)?;
    case.give(".", DISK, 0o777)?;
    case.give("file", DISK, 0o666)?;
    Ok(case)
}

fn opening(fixture: &Fixture, namespaces: &CallerNamespaces) -> Outcome {
    let mut wrong = String::new();
    let case = open_to_all(fixture)?;
    let profiles = Profiles::load(&case)?;
    let open = |path: &Path, who, ns| {
        let path = path.to_string_lossy();
        namespaces.run_as(who, ns, || {
            // Without the profile it can be opened.
            calls::open(&path, OFlags::RDWR)?;
            confine(&profiles.owners)?;
            calls::open(&path, OFlags::RDWR)
        })
    };
    for (who, ns) in everybody() {
        let answer = open(&case.seen.join("file"), who, ns);
        note(&mut wrong, (who, ns), answer, expected(who));
    }
    // Where there is no map the owner is the one on disk.
    for (who, answer) in [(Who::Unmapped, OK), (Who::Owner, EACCES)] {
        let ns = CallerNs::Initial;
        let opened = open(&case.on_disk("file"), who, ns);
        note(&mut wrong, (who, ns), opened, answer);
    }
    nothing(wrong)
}

fn linking(fixture: &Fixture, namespaces: &CallerNamespaces) -> Outcome {
    let mut wrong = String::new();
    let profiles = Profiles::load(&open_to_all(fixture)?)?;
    for (who, ns) in everybody() {
        let case = open_to_all(fixture)?;
        let (from, to) = (case.seen.join("file"), case.seen.join("link"));
        let (from, to) = (from.to_string_lossy(), to.to_string_lossy());
        let answer = namespaces.run_as(who, ns, || {
            confine(&profiles.owners)?;
            calls::link(&from, &to)
        });
        note(&mut wrong, (who, ns), answer, expected(who));
    }
    nothing(wrong)
}

/// Creates a listening socket of the owner through the idmapped mount. The check of the socket's
/// owner uses the mount of the listener.
fn listen(case: &TestCase) -> Result<(UnixListener, SocketAddrUnix), Failure> {
    let path = case.seen.join("sock");
    raw::set_fs_ids(SEEN, SEEN);
    let listener = UnixListener::bind(&path);
    raw::set_fs_ids(0, 0);
    let listener = listener.context("listening through the map")?;
    case.give("sock", DISK, 0o777)?;
    Ok((listener, SocketAddrUnix::new(path).context("the address")?))
}

fn connecting(fixture: &Fixture, namespaces: &CallerNamespaces) -> Outcome {
    let mut wrong = String::new();
    let case = open_to_all(fixture)?;
    let (_listener, address) = listen(&case)?;
    let profiles = Profiles::load(&case)?;
    let attempt = |profile: &str, who, ns| {
        namespaces.run_as(who, ns, || {
            confine(profile)?;
            let client = socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
            connect(&client, &address).map(|()| 0)
        })
    };
    // Before 5.0 its profiles leave connecting to names to everybody.
    if attempt(&profiles.none, Who::Owner, CallerNs::Initial) == OK {
        return Err(skipped("this apparmor_parser has no rules for connecting"));
    }
    for (who, ns) in everybody() {
        let answer = attempt(&profiles.owners, who, ns);
        note(&mut wrong, (who, ns), answer, expected(who));
    }
    nothing(wrong)
}
