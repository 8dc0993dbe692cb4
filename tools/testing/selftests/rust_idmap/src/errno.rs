// SPDX-License-Identifier: GPL-2.0

//! Error numbers and their names in `errno.h`.

use std::io;

use rustix::io::Errno;

/// The result of a system call.
pub type SyscallResult<T = ()> = Result<T, Errno>;

/// Error numbers that the tests see, with their names.
const NAMES: &[(Errno, &str)] = &[
    (Errno::PERM, "EPERM"),
    (Errno::NOENT, "ENOENT"),
    (Errno::INTR, "EINTR"),
    (Errno::IO, "EIO"),
    (Errno::NXIO, "ENXIO"),
    (Errno::TOOBIG, "E2BIG"),
    (Errno::NOEXEC, "ENOEXEC"),
    (Errno::BADF, "EBADF"),
    (Errno::AGAIN, "EAGAIN"),
    (Errno::NOMEM, "ENOMEM"),
    (Errno::ACCESS, "EACCES"),
    (Errno::FAULT, "EFAULT"),
    (Errno::BUSY, "EBUSY"),
    (Errno::EXIST, "EEXIST"),
    (Errno::XDEV, "EXDEV"),
    (Errno::NODEV, "ENODEV"),
    (Errno::NOTDIR, "ENOTDIR"),
    (Errno::ISDIR, "EISDIR"),
    (Errno::INVAL, "EINVAL"),
    (Errno::NOTTY, "ENOTTY"),
    (Errno::TXTBSY, "ETXTBSY"),
    (Errno::FBIG, "EFBIG"),
    (Errno::NOSPC, "ENOSPC"),
    (Errno::SPIPE, "ESPIPE"),
    (Errno::ROFS, "EROFS"),
    (Errno::MLINK, "EMLINK"),
    (Errno::RANGE, "ERANGE"),
    (Errno::NAMETOOLONG, "ENAMETOOLONG"),
    (Errno::NOSYS, "ENOSYS"),
    (Errno::NOTEMPTY, "ENOTEMPTY"),
    (Errno::LOOP, "ELOOP"),
    (Errno::NODATA, "ENODATA"),
    (Errno::OVERFLOW, "EOVERFLOW"),
    (Errno::USERS, "EUSERS"),
    (Errno::PROTOTYPE, "EPROTOTYPE"),
    (Errno::OPNOTSUPP, "EOPNOTSUPP"),
    (Errno::ADDRINUSE, "EADDRINUSE"),
    (Errno::CONNREFUSED, "ECONNREFUSED"),
    (Errno::STALE, "ESTALE"),
    (Errno::DQUOT, "EDQUOT"),
    (Errno::CANCELED, "ECANCELED"),
];

/// Returns the name of an error number, such as `EPERM`.
pub fn name(errno: Errno) -> String {
    let entry = NAMES.iter().find(|(known, _)| *known == errno);
    entry.map_or_else(
        || format!("errno {}", errno.raw_os_error()),
        |(_, name)| (*name).to_owned(),
    )
}

/// Returns the error number of an error of the standard library, or `EIO` if it has none.
pub fn of(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

/// Likewise, in the form that `map_err()` takes.
pub fn from_io(error: io::Error) -> Errno {
    of(&error)
}

/// Returns the error number that the C library has stored for this thread.
pub fn last() -> Errno {
    of(&io::Error::last_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_errno_is_shown_by_number() {
        assert_eq!(name(Errno::ACCESS), "EACCES");
        assert_eq!(name(Errno::UCLEAN), "errno 117");
    }

    #[test]
    fn io_error_without_errno_becomes_eio() {
        assert_eq!(of(&io::Error::from_raw_os_error(libc::EPERM)), Errno::PERM);
        assert_eq!(of(&io::Error::other("text")), Errno::IO);
    }
}
