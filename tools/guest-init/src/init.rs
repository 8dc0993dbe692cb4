// SPDX-License-Identifier: GPL-2.0

//! Boots the image with its own init, of which the job is a service.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::mount::MountFlags;

use crate::job::Job;
use crate::{Doing, Failure, disks, mounts, run};

/// The word by which this program is the service.
pub(crate) const SERVICE: &str = "service";

const INIT: &str = "/lib/systemd/systemd";
const UNIT: &str = "\
[Unit]
Description=The job of the guest

[Service]
Type=exec
ExecStart=/opt/idmap/bin/guest-init service
StandardInput=null
";

/// Becomes the image's init.
pub(crate) fn boot(job: &Job) -> Result<(), Failure> {
    let mut files = Vec::new();
    for entry in fs::read_dir("/job").doing(|| "reading /job".to_owned())? {
        let path = entry.doing(|| "reading /job".to_owned())?.path();
        let contents = fs::read(&path).doing(|| format!("reading {}", path.display()))?;
        files.push((path, contents));
    }
    mounts::enter_image()?;
    mounts::mount_at("tmpfs", "/run", "tmpfs", MountFlags::empty(), "mode=755")?;
    for share in &job.shares {
        mounts::share(share)?;
    }
    disks::attach(&job.disks)?;

    // The service finds the job where this process has found it.
    let what = || "writing the job and its unit".to_owned();
    fs::create_dir("/job").doing(what)?;
    for (path, contents) in files {
        fs::write(path, contents).doing(what)?;
    }
    fs::copy("/proc/self/exe", "/opt/idmap/bin/guest-init").doing(what)?;
    let units = Path::new("/run/systemd/system");
    let wanted = units.join("multi-user.target.wants");
    fs::create_dir_all(&wanted).doing(what)?;
    fs::write(units.join("job.service"), UNIT).doing(what)?;
    symlink("../job.service", wanted.join("job.service")).doing(what)?;

    let status = run::command("/bin/sh", job)
        .arg("-ec")
        .arg(&job.prepare)
        .status()
        .doing(|| "preparing the image".to_owned())?;
    if !status.success() {
        return Err(Failure(format!("preparing the image: {status}")));
    }
    let error = Command::new(INIT).env_clear().exec();
    Err(Failure(format!("{INIT}: {error}")))
}

/// Waits until nothing is left to be started.
pub(crate) fn wait() {
    // Its status is that of the system, which may be one with failed units.
    let _ = Command::new("systemctl")
        .args(["is-system-running", "--wait"])
        .status();
}
