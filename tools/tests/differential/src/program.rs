// SPDX-License-Identifier: GPL-2.0

//! The program that callers execute. It prints its credentials. Since there are many copies of it,
//! it consists of some hundred bytes, which are made here.

use core::arch::global_asm;

/// Assembles the program. It writes to the standard output: the real and the effective user, the
/// real and the effective group, the header of capget(2), and the capabilities.
macro_rules! assemble {
    ($($instruction:literal),+ $(,)?) => {
        global_asm!(
            ".pushsection .rodata.differential_program, \"a\"",
            "differential_program_start:",
            $($instruction,)+
            "differential_program_end:",
            ".popsection",
            getuid = const libc::SYS_getuid,
            geteuid = const libc::SYS_geteuid,
            getgid = const libc::SYS_getgid,
            getegid = const libc::SYS_getegid,
            capget = const libc::SYS_capget,
            write = const libc::SYS_write,
            exit = const libc::SYS_exit,
            // _LINUX_CAPABILITY_VERSION_3
            version = const 0x2008_0522,
        );
    };
}

#[cfg(target_arch = "x86_64")]
assemble!(
    "sub rsp, 64",
    "mov eax, {getuid}",
    "syscall",
    "mov [rsp], eax",
    "mov eax, {geteuid}",
    "syscall",
    "mov [rsp + 4], eax",
    "mov eax, {getgid}",
    "syscall",
    "mov [rsp + 8], eax",
    "mov eax, {getegid}",
    "syscall",
    "mov [rsp + 12], eax",
    // The version, and 0 for this process.
    "mov dword ptr [rsp + 16], {version}",
    "mov dword ptr [rsp + 20], 0",
    "lea rdi, [rsp + 16]",
    "lea rsi, [rsp + 24]",
    "mov eax, {capget}",
    "syscall",
    "mov edi, 1",
    "mov rsi, rsp",
    "mov edx, 48",
    "mov eax, {write}",
    "syscall",
    "xor edi, edi",
    "mov eax, {exit}",
    "syscall",
);

#[cfg(target_arch = "aarch64")]
assemble!(
    "sub sp, sp, #64",
    "mov x8, #{getuid}",
    "svc #0",
    "str w0, [sp]",
    "mov x8, #{geteuid}",
    "svc #0",
    "str w0, [sp, #4]",
    "mov x8, #{getgid}",
    "svc #0",
    "str w0, [sp, #8]",
    "mov x8, #{getegid}",
    "svc #0",
    "str w0, [sp, #12]",
    "movz w0, #({version} >> 16), lsl #16",
    "movk w0, #({version} & 0xffff)",
    "str w0, [sp, #16]",
    "str wzr, [sp, #20]",
    "add x0, sp, #16",
    "add x1, sp, #24",
    "mov x8, #{capget}",
    "svc #0",
    "mov x0, #1",
    "mov x1, sp",
    "mov x2, #48",
    "mov x8, #{write}",
    "svc #0",
    "mov x0, #0",
    "mov x8, #{exit}",
    "svc #0",
);

#[cfg(target_arch = "riscv64")]
assemble!(
    "addi sp, sp, -64",
    "li a7, {getuid}",
    "ecall",
    "sw a0, 0(sp)",
    "li a7, {geteuid}",
    "ecall",
    "sw a0, 4(sp)",
    "li a7, {getgid}",
    "ecall",
    "sw a0, 8(sp)",
    "li a7, {getegid}",
    "ecall",
    "sw a0, 12(sp)",
    "li t0, {version}",
    "sw t0, 16(sp)",
    "sw zero, 20(sp)",
    "addi a0, sp, 16",
    "addi a1, sp, 24",
    "li a7, {capget}",
    "ecall",
    "li a0, 1",
    "mv a1, sp",
    "li a2, 48",
    "li a7, {write}",
    "ecall",
    "li a0, 0",
    "li a7, {exit}",
    "ecall",
);

/// `e_machine` of `linux/elf.h`.
const MACHINE: u16 = if cfg!(target_arch = "aarch64") {
    183
} else if cfg!(target_arch = "riscv64") {
    243
} else {
    62
};

unsafe extern "C" {
    static differential_program_start: u8;
    static differential_program_end: u8;
}

/// The instructions.
fn code() -> &'static [u8] {
    let start = &raw const differential_program_start;
    let end = &raw const differential_program_end;
    // SAFETY: Both symbols are in the same section, which is read-only, and delimit the
    // instructions above.
    unsafe { std::slice::from_raw_parts(start, end.addr() - start.addr()) }
}

/// Where the program is in memory.
const ADDRESS: u64 = 0x40_0000;
/// The sizes of the two headers of `linux/elf.h`.
const HEADER: u16 = 64;
const SEGMENT: u16 = 56;

/// The file: an ELF program of one segment.
pub(crate) fn file() -> Vec<u8> {
    let code = code();
    let start = u64::from(HEADER + SEGMENT);
    let size = start + code.len() as u64;
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    let mut half = |value: u16| file.extend(value.to_le_bytes());
    // ET_EXEC
    half(2);
    half(MACHINE);
    file.extend(1u32.to_le_bytes());
    for value in [ADDRESS + start, HEADER.into(), 0] {
        file.extend(u64::to_le_bytes(value));
    }
    file.extend(0u32.to_le_bytes());
    for value in [HEADER, SEGMENT, 1, 0, 0, 0] {
        file.extend(value.to_le_bytes());
    }
    // PT_LOAD, PF_R and PF_X.
    file.extend(1u32.to_le_bytes());
    file.extend(5u32.to_le_bytes());
    for value in [0, ADDRESS, ADDRESS, size, size, 4096] {
        file.extend(u64::to_le_bytes(value));
    }
    file.extend(code);
    file
}

/// Formats the output of the program.
pub(crate) fn read(said: &[u8]) -> Option<String> {
    let words: Vec<u32> = said
        .chunks_exact(4)
        .map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
        .collect();
    let [user, euser, group, egroup, _, _, e0, p0, _, e1, p1, _] = words[..] else {
        return None;
    };
    Some(format!(
        "user {user}/{euser} group {group}/{egroup} permitted {p1:x}:{p0:x} effective {e1:x}:{e0:x}"
    ))
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::PermissionsExt,
        process::{Command, id},
    };

    use super::*;

    #[test]
    fn program_prints_its_credentials() {
        let path = std::env::temp_dir().join(format!("differential-program-{}", id()));
        fs::write(&path, file()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        let output = Command::new(&path).output();
        fs::remove_file(&path).unwrap();
        let said = read(&output.unwrap().stdout).unwrap();
        let user = rustix::process::geteuid().as_raw();
        assert!(
            said.starts_with(&format!("user {user}/{user} group ")),
            "{said}"
        );
        assert_eq!(read(b"what it never says"), None);
    }
}
