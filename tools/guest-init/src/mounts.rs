// SPDX-License-Identifier: GPL-2.0

//! The mounts of the guest.

use std::ffi::CString;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::mount::{MountFlags, UnmountFlags, mount, mount_move, unmount};

use crate::job::Share;
use crate::{Doing, Failure};

/// Where our own programs are, in the guest as in the initramfs.
const PROGRAMS: &str = "/opt/idmap/bin";
/// Where the image is mounted before it becomes the root.
const IMAGE: &str = "/image";
/// How long a device may take to appear.
const PATIENCE: Duration = Duration::from_secs(30);

/// Creates a directory and mounts a filesystem on it.
pub(crate) fn mount_at(
    source: &str,
    target: &str,
    kind: &str,
    flags: MountFlags,
    data: &str,
) -> Result<(), Failure> {
    let what = || format!("mounting {kind} {source} on {target}");
    fs::create_dir_all(target).doing(what)?;
    let data = CString::new(data).doing(what)?;
    mount(source, target, kind, flags, data.as_c_str()).doing(what)
}

/// What is needed before there is an image, and moves into it later.
const KERNELS: [(&str, &str); 3] = [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev")];

/// Mounts /proc, /sys and /dev.
pub(crate) fn kernel_filesystems() -> Result<(), Failure> {
    for (kind, target) in KERNELS {
        mount_at(kind, target, kind, MountFlags::empty(), "")?;
    }
    Ok(())
}

/// Mounts the image, takes our programs along, and makes it the root.
pub(crate) fn enter_image() -> Result<(), Failure> {
    wait_for("/dev/vda")?;
    mount_at("/dev/vda", IMAGE, "ext4", MountFlags::empty(), "")?;

    let programs = format!("{IMAGE}{PROGRAMS}");
    mount_at(
        "programs",
        &programs,
        "tmpfs",
        MountFlags::empty(),
        "mode=755",
    )?;
    copy_programs(Path::new(PROGRAMS), Path::new(&programs))
        .doing(|| format!("copying {PROGRAMS}"))?;

    for (_, target) in KERNELS {
        let moved = format!("{IMAGE}{target}");
        fs::create_dir_all(&moved)
            .and_then(|()| Ok(mount_move(target, &moved)?))
            .doing(|| format!("moving {target}"))?;
    }
    // The old root comes to lie on the new one, from where it is taken away:
    // it would still be counted by those who list all mounts.
    let what = || "making the image the root".to_owned();
    rustix::process::chdir(IMAGE).doing(what)?;
    rustix::process::pivot_root(".", ".").doing(what)?;
    unmount(".", UnmountFlags::DETACH).doing(what)?;
    rustix::process::chdir("/").doing(what)
}

/// Copies each program of a directory.
fn copy_programs(from: &Path, to: &Path) -> std::io::Result<()> {
    let entries = match fs::read_dir(from) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in entries {
        let entry = entry?;
        let target = to.join(entry.file_name());
        fs::copy(entry.path(), &target)?;
        fs::set_permissions(&target, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// Mounts what else a running system has.
pub(crate) fn rest() -> Result<(), Failure> {
    let none = MountFlags::empty();
    for (kind, target, data) in [
        ("devpts", "/dev/pts", "gid=5,mode=620,ptmxmode=666"),
        ("tmpfs", "/dev/shm", "mode=1777"),
        ("tmpfs", "/tmp", "mode=1777"),
        ("tmpfs", "/run", "mode=755"),
        ("cgroup2", "/sys/fs/cgroup", ""),
    ] {
        mount_at(kind, target, kind, none, data)?;
    }
    // These two depend on the configuration of the kernel.
    let _ = mount(
        "securityfs",
        "/sys/kernel/security",
        "securityfs",
        none,
        c"",
    );
    let _ = mount_at("mqueue", "/dev/mqueue", "mqueue", none, "");

    for (target, link) in [
        ("/proc/self/fd", "/dev/fd"),
        ("/proc/self/fd/0", "/dev/stdin"),
        ("/proc/self/fd/1", "/dev/stdout"),
        ("/proc/self/fd/2", "/dev/stderr"),
    ] {
        symlink(target, link).doing(|| format!("linking {link}"))?;
    }
    fs::write("/proc/sys/kernel/hostname", "guest").doing(|| "naming the host".to_owned())
}

/// Mounts a directory of the host.
pub(crate) fn share(share: &Share) -> Result<(), Failure> {
    let flags = if share.writable {
        MountFlags::empty()
    } else {
        MountFlags::RDONLY
    };
    let data = "trans=virtio,version=9p2000.L,msize=262144,cache=mmap";
    mount_at(&share.tag, &share.path, "9p", flags, data)
}

/// Waits for a device file.
pub(crate) fn wait_for(path: &str) -> Result<(), Failure> {
    let start = Instant::now();
    while !Path::new(path).exists() {
        if start.elapsed() > PATIENCE {
            return Err(Failure(format!("{path} did not appear")));
        }
        sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Writes back what the job wrote to shared directories.
pub(crate) fn flush() {
    rustix::fs::sync();
}
