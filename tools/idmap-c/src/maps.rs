// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Maps.

use std::ffi::{c_char, c_int};

use idmap::IdMaps;
use rustix::io::Errno;

use crate::error::{Failure, answer, path};

/// A map of users and a map of groups, between the ids on disk and the ids seen through a mount.
#[expect(non_camel_case_types, reason = "the name in C")]
pub struct idmap_maps(IdMaps);

/// The kind of an id: a user.
pub const IDMAP_USER: c_int = 0;
/// The kind of an id: a group.
pub const IDMAP_GROUP: c_int = 1;

/// The maps behind a pointer.
///
/// # Safety
///
/// `maps` must be NULL, or a pointer that a function of this library gave and that is not freed
/// while `'a` lasts.
pub(crate) unsafe fn maps_of<'a>(maps: *const idmap_maps) -> Result<&'a IdMaps, Failure> {
    // SAFETY: A pointer of this library that is not freed points to maps, which nothing changes.
    let maps = unsafe { maps.as_ref() };
    maps.map(|maps| &maps.0)
        .ok_or_else(|| Failure::new(Errno::INVAL, "the maps are NULL"))
}

/// Gives maps to the caller.
///
/// # Safety
///
/// `place` must be NULL, or valid for a write of a pointer.
unsafe fn give(
    place: *mut *mut idmap_maps,
    maps: impl FnOnce() -> Result<IdMaps, Failure>,
) -> c_int {
    if place.is_null() {
        let failure = Failure::new(Errno::INVAL, "the place for the maps is NULL");
        return answer(Err(failure));
    }
    answer(maps().map(|maps| {
        // SAFETY: `place` is not NULL, so that it is valid for the write.
        unsafe { place.write(Box::into_raw(Box::new(idmap_maps(maps)))) };
        0
    }))
}

/// Reads maps from a text.
///
/// @param text  ranges KIND:FROM:TO:RANGE with blanks between them, such as "b:0:100000:65536":
///              RANGE ids from FROM on, as on disk, are seen as TO and those after it through the
///              mount. KIND is u (users), g (groups) or b (both). A string that ends with a NUL
///              byte; it is not kept.
/// @param maps  where the pointer to the new maps is stored; idmap_maps_free() frees them. Nothing
///              is stored on failure.
/// @return 0, or -EINVAL.
///
/// # Safety
///
/// `text` must be NULL or point to a string that ends with a NUL byte; `maps` must be NULL or valid
/// for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idmap_maps_parse(
    text: *const c_char,
    maps: *mut *mut idmap_maps,
) -> c_int {
    let read = || {
        // SAFETY: The caller keeps `text` as it is during this call.
        let text = unsafe { path("the text of the maps", text) }?;
        let text = text
            .to_str()
            .ok_or_else(|| Failure::new(Errno::INVAL, format!("'{}' is no map", text.display())))?;
        Ok(text.parse::<IdMaps>()?)
    };
    // SAFETY: The caller gives a `maps` that is NULL or valid for a write.
    unsafe { give(maps, read) }
}

/// Reads the maps of the user namespace of a process.
///
/// @param pid   the process.
/// @param maps  where the pointer to the new maps is stored; idmap_maps_free() frees them. Nothing
///              is stored on failure.
/// @return 0, or a negative error number: -ENOENT if there is no such process.
///
/// # Safety
///
/// `maps` must be NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idmap_maps_of_process(pid: u32, maps: *mut *mut idmap_maps) -> c_int {
    // SAFETY: The caller gives a `maps` that is NULL or valid for a write.
    unsafe { give(maps, || Ok(IdMaps::of_process(pid)?)) }
}

/// Reads the maps of the mount that a path is on (Linux 6.15).
///
/// @param at    a string that ends with a NUL byte, of a file or a directory.
/// @param maps  where the pointer to the new maps is stored; idmap_maps_free() frees them. Nothing
///              is stored on failure.
/// @return 0, or a negative error number.
///
/// # Safety
///
/// `at` must be NULL or point to a string that ends with a NUL byte; `maps` must be NULL or valid
/// for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idmap_maps_of_mount(
    at: *const c_char,
    maps: *mut *mut idmap_maps,
) -> c_int {
    // SAFETY: The caller keeps `at` as it is during this call.
    let read = || Ok(IdMaps::of_mount(unsafe { path("the path", at) }?)?);
    // SAFETY: The caller gives a `maps` that is NULL or valid for a write.
    unsafe { give(maps, read) }
}

/// Computes the maps that are the same as `first` and then `next`.
///
/// @param first  maps of this library.
/// @param next   maps of this library.
/// @param maps   where the pointer to the new maps is stored; idmap_maps_free() frees them. Nothing
///               is stored on failure.
/// @return 0, or -EINVAL if no id is left or the result has too many ranges.
///
/// # Safety
///
/// `first` and `next` must be NULL or maps of this library that are not freed; `maps` must be NULL
/// or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idmap_maps_compose(
    first: *const idmap_maps,
    next: *const idmap_maps,
    maps: *mut *mut idmap_maps,
) -> c_int {
    // SAFETY: The caller gives pointers that are NULL or maps that are not freed during this call.
    let (first, next) = unsafe { (maps_of(first), maps_of(next)) };
    // SAFETY: The caller gives a `maps` that is NULL or valid for a write.
    unsafe { give(maps, || Ok(first?.then(next?)?)) }
}

/// Computes the maps that lead back.
///
/// @param maps     maps of this library.
/// @param inverse  where the pointer to the new maps is stored; idmap_maps_free() frees them.
///                 Nothing is stored on failure.
/// @return 0, or -EINVAL.
///
/// # Safety
///
/// `maps` must be NULL or maps of this library that are not freed; `inverse` must be NULL or valid
/// for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idmap_maps_invert(
    maps: *const idmap_maps,
    inverse: *mut *mut idmap_maps,
) -> c_int {
    // SAFETY: The caller gives a pointer that is NULL or maps that are not freed during this call.
    let maps = unsafe { maps_of(maps) };
    // SAFETY: The caller gives an `inverse` that is NULL or valid for a write.
    unsafe { give(inverse, || Ok(maps?.clone().inverse())) }
}

/// Writes maps as a text that idmap_maps_parse() reads.
///
/// @param maps    maps of this library.
/// @param buffer  where up to `size` bytes are written, the last of them NUL; NULL if `size` is 0.
/// @param size    the size of the buffer in bytes.
/// @return the length of the whole text without the NUL byte, also if the buffer is smaller, or
///         -EINVAL.
///
/// # Safety
///
/// `maps` must be NULL or maps of this library that are not freed; `buffer` must be valid for
/// writes of `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idmap_maps_format(
    maps: *const idmap_maps,
    buffer: *mut c_char,
    size: usize,
) -> c_int {
    // SAFETY: The caller gives a pointer that is NULL or maps that are not freed during this call.
    let text = match unsafe { maps_of(maps) } {
        Ok(maps) => maps.to_string(),
        Err(failure) => return answer(Err(failure)),
    };
    if size > 0 {
        if buffer.is_null() {
            return answer(Err(Failure::new(Errno::INVAL, "the buffer is NULL")));
        }
        let length = text.len().min(size - 1);
        // SAFETY: `buffer` is valid for `size` bytes, of which these are at most all, and the text
        // is another object.
        unsafe {
            buffer.copy_from_nonoverlapping(text.as_ptr().cast(), length);
            buffer.add(length).write(0);
        }
    }
    let length = c_int::try_from(text.len());
    answer(length.map_err(|_| Failure::new(Errno::OVERFLOW, "the text is too long")))
}

/// Finds the id that is seen through a mount in place of an id on disk, or back.
///
/// @param maps    maps of this library; the maps of idmap_maps_invert() lead from the ids seen to
///                those on disk.
/// @param kind    IDMAP_USER or IDMAP_GROUP.
/// @param id      the id on disk.
/// @param result  where the id that is seen is stored. Nothing is stored on failure.
/// @return 0, -EOVERFLOW if no range has the id, or -EINVAL.
///
/// # Safety
///
/// `maps` must be NULL or maps of this library that are not freed; `result` must be NULL or valid
/// for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idmap_maps_lookup(
    maps: *const idmap_maps,
    kind: c_int,
    id: u32,
    result: *mut u32,
) -> c_int {
    // SAFETY: The caller gives a pointer that is NULL or maps that are not freed during this call.
    let maps = unsafe { maps_of(maps) };
    let find = || {
        let maps = maps?;
        let map = match kind {
            IDMAP_USER => maps.users(),
            IDMAP_GROUP => maps.groups(),
            _ => {
                let text = format!("{kind} is neither IDMAP_USER nor IDMAP_GROUP");
                return Err(Failure::new(Errno::INVAL, text));
            }
        };
        if result.is_null() {
            return Err(Failure::new(Errno::INVAL, "the place for the id is NULL"));
        }
        let found = map.down(id).ok_or_else(|| {
            Failure::new(
                Errno::OVERFLOW,
                format!("no range of the map has the id {id}"),
            )
        })?;
        // SAFETY: `result` is not NULL, so that it is valid for the write.
        unsafe { result.write(found) };
        Ok(0)
    };
    answer(find())
}

/// Frees maps.
///
/// @param maps  maps of this library, which must not be used afterwards, or NULL.
///
/// # Safety
///
/// `maps` must be NULL, or maps of this library that are not freed and that no other thread uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idmap_maps_free(maps: *mut idmap_maps) {
    if !maps.is_null() {
        // SAFETY: The pointer came from `Box::into_raw()` in `give()`, and is not freed.
        drop(unsafe { Box::from_raw(maps) });
    }
}
