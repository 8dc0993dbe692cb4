// SPDX-License-Identifier: GPL-2.0

//! The end of a boot, as the guest, its kernel log and QEMU report it.

use std::process::ExitStatus;

use crate::guest::boot::Outcome;

/// How a job ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The job exited with this status.
    Exited(i32),
    /// The time limit was reached.
    TimedOut,
    /// The kernel panicked. Has the lines of the kernel log from the first error.
    Panicked(String),
    /// The job could not be started. Has the reason.
    Failed(String),
}

/// How QEMU ended.
pub(crate) enum Ended {
    /// QEMU exited.
    Itself(ExitStatus),
    /// QEMU was killed at the time limit.
    TimeUp,
    /// QEMU was killed because the guest did not send a message.
    Silent,
}

/// The reason of [`Ended::Silent`].
const SILENT: &str = "the guest sent no message";

/// Returns the sign that the emulated machine did not start, if the guest has not started its job.
/// A device is then missing: ACPI stops a method that takes too long by the clock.
pub(crate) fn failed_start(outcome: &Outcome, log: &str) -> Option<&'static str> {
    const SIGNS: [&str; 3] = ["AE_AML_LOOP_TIMEOUT", "did not appear", SILENT];
    let why = match &outcome.end {
        _ if outcome.began => return None,
        End::Exited(_) | End::Panicked(_) => return None,
        End::Failed(why) => why.as_str(),
        End::TimedOut => "",
    };
    let has = |sign: &&str| log.contains(sign) || why.contains(sign);
    SIGNS.into_iter().find(has)
}

/// Returns how a job ended, by the messages of the guest in `status`, the kernel log, and the error
/// messages of QEMU.
pub(crate) fn of_boot(ended: Ended, status: &str, kernel_log: &str, qemu_errors: &str) -> End {
    let mut lines = status.lines();
    let reported = lines.find_map(|line| match line.split_once(' ') {
        Some(("exit", code)) => code.parse().ok().map(End::Exited),
        Some(("failed", why)) => Some(End::Failed(why.to_owned())),
        _ => None,
    });
    if let Some(end) = reported {
        return end;
    }
    if let Some(lines) = panic_lines(kernel_log) {
        return End::Panicked(lines);
    }
    let ended = match ended {
        Ended::Itself(status) => status,
        Ended::TimeUp => return End::TimedOut,
        Ended::Silent => return End::Failed(SILENT.to_owned()),
    };
    let error = kernel_log
        .lines()
        .find_map(|line| line.split_once("guest-init: "));
    End::Failed(match error {
        Some((_, why)) => why.to_owned(),
        None => format!(
            "QEMU ended ({ended}) without a message from the guest: {}",
            qemu_errors.trim()
        ),
    })
}

/// Returns the lines of the log of a kernel that panicked, from the first error.
fn panic_lines(log: &str) -> Option<String> {
    const SIGNS: [&str; 3] = ["BUG: ", "Oops: ", "Kernel panic"];
    let lines: Vec<&str> = log.lines().collect();
    lines
        .iter()
        .position(|line| line.contains("Kernel panic"))?;
    let first = lines
        .iter()
        .position(|line| SIGNS.iter().any(|sign| line.contains(sign)))?;
    let last = (first + 30).min(lines.len());
    Some(
        lines[first..last]
            .iter()
            .map(|line| format!("  {}\n", line.trim_end()))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::path::PathBuf;

    fn ended() -> Ended {
        Ended::Itself(ExitStatus::from_raw(0))
    }

    #[test]
    fn guest_reports_the_end() {
        let end = of_boot(ended(), "ready\nexit 143\n", "", "");
        assert_eq!(end, End::Exited(143));
        let end = of_boot(ended(), "failed mkfs.xfs: too small\n", "", "");
        assert_eq!(end, End::Failed("mkfs.xfs: too small".to_owned()));
        assert_eq!(of_boot(Ended::TimeUp, "ready\n", "", ""), End::TimedOut);
    }

    #[test]
    fn a_panic_is_shown_from_its_first_sign() {
        let log = "[1.0] fine\n[2.0] BUG: unable to handle\n[2.1] RIP: x\n\
                   [2.2] Kernel panic - not syncing: Fatal exception\n";
        let End::Panicked(lines) = of_boot(ended(), "ready\n", log, "") else {
            panic!("not taken for a panic");
        };
        assert!(lines.starts_with("  [2.0] BUG") && lines.contains("Kernel panic"));
        // The job ended before the panic.
        assert_eq!(of_boot(ended(), "exit 0\n", log, ""), End::Exited(0));
        // A kernel with a bug and no panic goes on.
        let log = "[2.0] BUG: sleeping function\n";
        assert_eq!(of_boot(Ended::TimeUp, "", log, ""), End::TimedOut);
    }

    #[test]
    fn only_a_machine_without_devices_is_booted_again() {
        let outcome = |end, began| Outcome {
            end,
            began,
            output: Vec::new(),
            errors: Vec::new(),
            kernel_log: PathBuf::new(),
        };
        let failed = |why: &str| End::Failed(why.to_owned());
        let log = "ACPI Error: Aborting method \\_SB.PCI0._PRT (AE_AML_LOOP_TIMEOUT)\n";
        let disk = failed("/dev/vda did not appear");
        assert!(failed_start(&outcome(disk, false), "quiet\n").is_some());
        assert!(failed_start(&outcome(failed("QEMU ended"), false), log).is_some());
        assert!(failed_start(&outcome(End::TimedOut, false), log).is_some());
        let silent = || of_boot(Ended::Silent, "", "quiet\n", "");
        assert!(failed_start(&outcome(silent(), false), "quiet\n").is_some());
        assert_eq!(failed_start(&outcome(silent(), true), "quiet\n"), None);
        let other = failed("mkfs.xfs: too small");
        assert_eq!(failed_start(&outcome(other, false), "quiet\n"), None);
        assert_eq!(failed_start(&outcome(End::TimedOut, true), log), None);
        assert_eq!(failed_start(&outcome(End::Exited(0), false), log), None);
        let panicked = End::Panicked(String::new());
        assert_eq!(failed_start(&outcome(panicked, false), log), None);
    }

    #[test]
    fn guest_without_message_is_a_failure() {
        let end = of_boot(ended(), "", "guest-init: /dev/vda did not appear\n", "");
        assert_eq!(end, End::Failed("/dev/vda did not appear".to_owned()));
        let End::Failed(why) = of_boot(ended(), "", "", "no such accelerator\n") else {
            panic!("not taken for a failure");
        };
        assert!(why.contains("no such accelerator"));
    }
}
