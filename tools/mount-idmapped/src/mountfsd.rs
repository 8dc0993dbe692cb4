// SPDX-License-Identifier: GPL-2.0

//! The option `--mountfsd`: systemd-mountfsd makes the mount for a plain user, who needs no
//! subordinate ids: systemd-nsresourced gives a user namespace its ids.
//!
//! The service chooses the map: the user's own directory is that of root in the user namespace. This
//! program runs itself there, by another name, attaches the mount, and becomes the command.

use std::{
    env,
    ffi::OsString,
    fs::File,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::{fs::OpenOptionsExt, process::CommandExt},
    },
    path::absolute,
    process::{Command, ExitCode},
};

use idmap::{Detached, UserNs};
use rustix::{
    fs::OFlags,
    io::{FdFlags, fcntl_setfd},
};
use serde_json::{Value, json};

use crate::{
    cli::Arguments,
    options::Options,
    run::{Failure, code, usage},
    varlink,
};

/// The name of this program in the user namespace.
const INSIDE: &str = "mount-idmapped (mountfsd)";
/// How many ids a user namespace gets; the service of mounts takes no other.
const IDS: u32 = 65536;

/// Whether this is the program in the user namespace.
pub(crate) fn is_inside(name: &OsString) -> bool {
    name == INSIDE
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let options = Options::parse_all(&arguments.options).map_err(usage)?;
    let source = File::options()
        .read(true)
        .custom_flags(OFlags::DIRECTORY.bits() as i32)
        .open(&arguments.source)
        .map_err(|error| Failure::Unfit(format!("{}: {error}", arguments.source.display())))?;
    let target = absolute(&arguments.target)
        .map_err(|error| Failure::Unfit(format!("{}: {error}", arguments.target.display())))?;

    let userns = UserNs::unmapped()?;
    let name = format!("idmapped{}", std::process::id());
    let parameters = json!({ "name": name, "size": IDS, "userNamespaceFileDescriptor": 0 });
    varlink::call(
        "io.systemd.NamespaceResource",
        "AllocateUserRange",
        &parameters,
        &[userns.as_fd()],
    )?;
    let parameters = json!({
        "directoryFileDescriptor": 0,
        "userNamespaceFileDescriptor": 1,
        "readOnly": options.is_read_only(),
    });
    let (reply, files) = varlink::call(
        "io.systemd.MountFileSystem",
        "MountDirectory",
        &parameters,
        &[source.as_fd(), userns.as_fd()],
    )?;
    let mount = chosen(&reply, files)?;

    // The program there has the mount by the same descriptor.
    fcntl_setfd(&mount, FdFlags::empty())
        .map_err(|errno| Failure::Unfit(format!("keeping the mount open: {errno}")))?;
    let mut command = userns.command_with_mounts("/proc/self/exe")?;
    command
        .arg0(INSIDE)
        .arg(mount.as_raw_fd().to_string())
        .arg(target)
        .args(&arguments.command);
    let status = command.status();
    let status = status.map_err(|error| Failure::Command("mount-idmapped".into(), error))?;
    Ok(ExitCode::from(code(status)))
}

/// The descriptor whose place the reply names.
fn chosen(reply: &Value, files: Vec<OwnedFd>) -> Result<OwnedFd, Failure> {
    let place = reply["mountFileDescriptor"].as_u64();
    let file = place.and_then(|place| files.into_iter().nth(usize::try_from(place).ok()?));
    file.ok_or_else(|| Failure::Unfit(format!("systemd-mountfsd has sent no mount: {reply}")))
}

/// Attaches the mount, and runs the command in place of this program.
pub(crate) fn inside(mut words: impl Iterator<Item = OsString>) -> Result<ExitCode, Failure> {
    let wrong = || Failure::Usage(format!("{INSIDE}: expected a descriptor and a target"));
    let number = words.next().ok_or_else(wrong)?;
    let target = words.next().ok_or_else(wrong)?;
    let path = format!("/proc/self/fd/{}", number.to_string_lossy());
    let mount = File::options()
        .read(true)
        .custom_flags(OFlags::PATH.bits() as i32)
        .open(&path)
        .map_err(|error| Failure::Unfit(format!("{path}: {error}")))?;
    Detached::from(OwnedFd::from(mount)).attach(target)?;
    let shell = || env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
    let program = words.next().unwrap_or_else(shell);
    let error = Command::new(&program).args(words).exec();
    Err(Failure::Command(program, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_names_one_of_its_descriptors() {
        let null = || OwnedFd::from(File::open("/dev/null").unwrap());
        let reply = json!({ "mountFileDescriptor": 1 });
        assert!(chosen(&reply, vec![null(), null()]).is_ok());
        for (reply, files) in [
            (reply, vec![null()]),
            (json!({ "mountFileDescriptor": -1 }), vec![null()]),
            (json!({}), vec![null()]),
        ] {
            let error = chosen(&reply, files).unwrap_err().to_string();
            assert!(error.contains("has sent no mount"), "{error}");
        }
    }
}
