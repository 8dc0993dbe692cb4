// SPDX-License-Identifier: GPL-2.0

//! The configurations that `make configs` checks. Each is `tiny.config` with the
//! options of its architecture and some more, or the configuration of Debian's
//! kernels.

use super::arch::Arch;

/// The part of a line that `make check` checks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Quick {
    /// The C code and the Rust code.
    Whole,
    /// The C code.
    C,
    /// Nothing.
    No,
}

/// The configuration to which a line adds its options.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Base {
    /// `tiny.config`.
    Tiny,
    /// The configuration of Debian's kernels.
    Debian,
}

/// One configuration.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) arch: Arch,
    pub(crate) base: Base,
    /// The series of kernels, or `None` for all.
    pub(crate) series: Option<&'static str>,
    /// Options with their values, without CONFIG_.
    pub(crate) options: &'static str,
    pub(crate) quick: Quick,
}

const fn x86(name: &'static str, quick: Quick, options: &'static str) -> Line {
    Line {
        name,
        arch: Arch::X86,
        base: Base::Tiny,
        series: None,
        options,
        quick,
    }
}

const fn on(arch: Arch, name: &'static str, options: &'static str) -> Line {
    Line {
        name,
        arch,
        base: Base::Tiny,
        series: None,
        options,
        quick: Quick::No,
    }
}

/// The unit tests, and the C that they compare with.
const KUNIT: &str = "KUNIT=y RUST_KUNIT_TESTS=y RUST_MNT_IDMAPPING_KUNIT_TEST=y \
                     RUST_FS_KUNIT_TEST=y RUST_MNT_IDMAPPING_NESTED=y";
/// `MODVERSIONS` needs a program and debugging information that a check does not build.
const DEBIAN: &str = "MODVERSIONS=n RUST=y RUST_MNT_IDMAPPING=y SAMPLES=y SAMPLES_RUST=y \
                      SAMPLE_RUST_IDMAPFS=m";
const NO_USER_NS: &str = "USER_NS=n RUST_MNT_IDMAPPING=n SAMPLE_RUST_IDMAPFS=n \
                          SAMPLE_RUST_MINIMAL_FS=n";
const NO_MULTIUSER: &str = "MULTIUSER=n NAMESPACES=n USER_NS=n RUST_MNT_IDMAPPING=n \
                            SAMPLE_RUST_IDMAPFS=n SAMPLE_RUST_MINIMAL_FS=n";

/// All configurations.
pub(crate) const LINES: &[Line] = &[
    x86("shipping", Quick::Whole, ""),
    x86("kunit", Quick::Whole, KUNIT),
    x86("nested", Quick::C, "RUST_MNT_IDMAPPING_NESTED=y"),
    x86("engine-off", Quick::C, "RUST_MNT_IDMAPPING=n"),
    x86(
        "no-rust",
        Quick::No,
        "RUST=n RUST_OVERFLOW_CHECKS=n RUST_MNT_IDMAPPING=n \
         SAMPLES_RUST=n SAMPLE_RUST_IDMAPFS=n SAMPLE_RUST_MINIMAL_FS=n",
    ),
    x86("no-acl", Quick::C, "TMPFS_POSIX_ACL=n FS_POSIX_ACL=n"),
    x86("no-user-ns", Quick::C, NO_USER_NS),
    x86("no-multiuser", Quick::No, NO_MULTIUSER),
    x86("no-file-locking", Quick::C, "FILE_LOCKING=n"),
    x86("no-migration", Quick::No, "MIGRATION=n COMPACTION=n"),
    x86("no-compat", Quick::No, "IA32_EMULATION=n"),
    x86("no-proc-sysfs", Quick::No, "PROC_FS=n SYSFS=n SYSCTL=n"),
    x86("no-security", Quick::No, "SECURITY=n AUDIT=n NET=n"),
    x86("no-smp", Quick::No, "SMP=n"),
    x86("no-modules", Quick::No, "MODULES=n"),
    x86(
        "no-tmpfs",
        Quick::No,
        "TMPFS=n TMPFS_POSIX_ACL=n TMPFS_XATTR=n FS_POSIX_ACL=n",
    ),
    x86("preempt-rt", Quick::No, "PREEMPT_RT=y"),
    x86("lto", Quick::No, "LTO_CLANG_THIN=y"),
    x86("cfi", Quick::No, "CFI=y"),
    x86("kasan", Quick::No, "KASAN=y"),
    x86("kcsan", Quick::No, "KCSAN=y"),
    x86("ubsan", Quick::No, "UBSAN=y"),
    x86("no-overflow-checks", Quick::No, "RUST_OVERFLOW_CHECKS=n"),
    x86("debug-assertions", Quick::No, "RUST_DEBUG_ASSERTIONS=y"),
    x86(
        "module",
        Quick::No,
        "SAMPLE_RUST_IDMAPFS=m SAMPLE_RUST_MINIMAL_FS=m",
    ),
    Line {
        base: Base::Debian,
        ..x86("debian", Quick::No, DEBIAN)
    },
    Line {
        series: Some("7.2"),
        ..x86("7.2", Quick::No, "")
    },
    on(Arch::Arm64, "arm64", ""),
    on(Arch::Arm64, "arm64-kunit", KUNIT),
    on(Arch::Riscv, "riscv", ""),
    on(Arch::Riscv, "riscv-kunit", KUNIT),
    on(Arch::Arm, "arm", ""),
    on(Arch::Arm, "arm-kunit", KUNIT),
    on(Arch::Loongarch, "loongarch", ""),
    on(Arch::Powerpc, "powerpc-64", "PPC64=y CPU_LITTLE_ENDIAN=y"),
    on(Arch::Powerpc, "powerpc-32", "PPC64=n"),
    on(Arch::S390, "s390", ""),
];

impl Line {
    /// The options as a fragment of a configuration.
    pub(crate) fn fragment(&self) -> String {
        let options = self.options.split_whitespace();
        options.map(|option| format!("CONFIG_{option}\n")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        for (index, line) in LINES.iter().enumerate() {
            let other = LINES[..index].iter().find(|other| other.name == line.name);
            assert!(other.is_none(), "{} is there twice", line.name);
        }
    }
}
