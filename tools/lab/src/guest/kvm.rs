// SPDX-License-Identifier: GPL-2.0

//! Detects whether guests can use KVM. On some machines /dev/kvm opens and
//! guests hang, so a guest is booted once.

use std::fs::{self, File};
use std::time::Duration;

use anyhow::Result;

use crate::cache::Cache;
use crate::guest::boot::{self, Job, Machine, Options};
use crate::guest::end::End;
use crate::guest::qemu::Accelerator;
use crate::kernel::arch::Arch;
use crate::ui;

/// A boot takes two seconds with translation, and less with KVM.
const LIMIT: Duration = Duration::from_secs(10);

/// Returns KVM if a guest has run with it since this machine booted, or else translation.
pub(crate) fn best(cache: &Cache, machine: &Machine) -> Result<Accelerator> {
    let opens = File::options()
        .read(true)
        .write(true)
        .open("/dev/kvm")
        .is_ok();
    if !opens || machine.arch != Arch::X86 {
        return Ok(Accelerator::Tcg);
    }
    let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let note = cache.path("kvm");
    let noted = fs::read_to_string(&note).unwrap_or_default();
    let works = match noted.strip_prefix(&boot_id) {
        Some("works") => true,
        Some("hangs") => false,
        _ => {
            let works = probe(cache, machine)?;
            fs::write(&note, boot_id + if works { "works" } else { "hangs" })?;
            works
        }
    };
    Ok(if works {
        Accelerator::Kvm
    } else {
        Accelerator::Tcg
    })
}

/// Boots a guest that halts at once.
fn probe(cache: &Cache, machine: &Machine) -> Result<bool> {
    ui::print("trying KVM (once) ...");
    let machine = Machine {
        arch: machine.arch,
        kernel: machine.kernel.clone(),
        image: None,
        programs: machine.programs.clone(),
    };
    let mut options = Options::new(Job::Halt, "kvm-probe");
    options.limit = Some(LIMIT);
    options.accelerator = Accelerator::Kvm;
    let works = boot::boot(cache, &machine, &options)?.end == End::Exited(0);
    ui::print(match works {
        true => "KVM works: guests use it",
        false => "/dev/kvm is there, but a guest does not boot with it: not used",
    });
    Ok(works)
}
