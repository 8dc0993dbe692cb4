/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Idmapped mounts of Linux: the C interface of libidmap.so.
 *
 * Each function that can fail returns a negative error number and leaves a
 * message for idmap_error_message(). A pointer that must not be NULL and is
 * fails with -EINVAL. Functions may be called by several threads at a time, if
 * none of them frees what another one uses.
 */

#ifndef IDMAP_H
#define IDMAP_H

#include <stddef.h>
#include <stdint.h>

/**
 * The kind of an id: a user.
 */
#define IDMAP_USER 0

/**
 * The kind of an id: a group.
 */
#define IDMAP_GROUP 1

/**
 * What is mounted below the source comes along, with the same map.
 */
#define IDMAP_RECURSIVE 1

/**
 * The map that the source has gives way to the new one (Linux 6.15).
 */
#define IDMAP_REPLACE 2

/**
 * Nothing can be written through the mount.
 */
#define IDMAP_READ_ONLY 4

/**
 * Set-user-id, set-group-id and file capabilities have no effect.
 */
#define IDMAP_NO_SUID 8

/**
 * Device files cannot be opened.
 */
#define IDMAP_NO_DEV 16

/**
 * Programs cannot be run.
 */
#define IDMAP_NO_EXEC 32

/**
 * Symbolic links are not followed (Linux 5.14).
 */
#define IDMAP_NO_SYMFOLLOW 64

/**
 * For idmap_unmount(): at once, with what is mounted below; files in use stay usable.
 */
#define IDMAP_LAZY 128

/**
 * A map of users and a map of groups, between the ids on disk and the ids seen through a mount.
 */
struct idmap_maps;

#ifdef __cplusplus
extern "C" {
#endif /* __cplusplus */

/**
 * Returns the message of the last function of this library that failed in this thread.
 *
 * The message names the step that failed, its object, the error number and the likely cause. It
 * is an empty string if no function has failed. The string belongs to the library; it is valid
 * until another function of this library fails in this thread, or the thread ends.
 */
const char *idmap_error_message(void);

/**
 * Reads maps from a text.
 *
 * @param text  ranges KIND:FROM:TO:RANGE with blanks between them, such as "b:0:100000:65536":
 *              RANGE ids from FROM on, as on disk, are seen as TO and those after it through the
 *              mount. KIND is u (users), g (groups) or b (both). A string that ends with a NUL
 *              byte; it is not kept.
 * @param maps  where the pointer to the new maps is stored; idmap_maps_free() frees them. Nothing
 *              is stored on failure.
 * @return 0, or -EINVAL.
 */
int idmap_maps_parse(const char *text, struct idmap_maps **maps);

/**
 * Reads the maps of the user namespace of a process.
 *
 * @param pid   the process.
 * @param maps  where the pointer to the new maps is stored; idmap_maps_free() frees them. Nothing
 *              is stored on failure.
 * @return 0, or a negative error number: -ENOENT if there is no such process.
 */
int idmap_maps_of_process(uint32_t pid, struct idmap_maps **maps);

/**
 * Reads the maps of the mount that a path is on (Linux 6.15).
 *
 * @param at    a string that ends with a NUL byte, of a file or a directory.
 * @param maps  where the pointer to the new maps is stored; idmap_maps_free() frees them. Nothing
 *              is stored on failure.
 * @return 0, or a negative error number.
 */
int idmap_maps_of_mount(const char *at, struct idmap_maps **maps);

/**
 * Computes the maps that are the same as `first` and then `next`.
 *
 * @param first  maps of this library.
 * @param next   maps of this library.
 * @param maps   where the pointer to the new maps is stored; idmap_maps_free() frees them. Nothing
 *               is stored on failure.
 * @return 0, or -EINVAL if no id is left or the result has too many ranges.
 */
int idmap_maps_compose(const struct idmap_maps *first,
                       const struct idmap_maps *next,
                       struct idmap_maps **maps);

/**
 * Computes the maps that lead back.
 *
 * @param maps     maps of this library.
 * @param inverse  where the pointer to the new maps is stored; idmap_maps_free() frees them.
 *                 Nothing is stored on failure.
 * @return 0, or -EINVAL.
 */
int idmap_maps_invert(const struct idmap_maps *maps, struct idmap_maps **inverse);

/**
 * Writes maps as a text that idmap_maps_parse() reads.
 *
 * @param maps    maps of this library.
 * @param buffer  where up to `size` bytes are written, the last of them NUL; NULL if `size` is 0.
 * @param size    the size of the buffer in bytes.
 * @return the length of the whole text without the NUL byte, also if the buffer is smaller, or
 *         -EINVAL.
 */
int idmap_maps_format(const struct idmap_maps *maps, char *buffer, uintptr_t size);

/**
 * Finds the id that is seen through a mount in place of an id on disk, or back.
 *
 * @param maps    maps of this library; the maps of idmap_maps_invert() lead from the ids seen to
 *                those on disk.
 * @param kind    IDMAP_USER or IDMAP_GROUP.
 * @param id      the id on disk.
 * @param result  where the id that is seen is stored. Nothing is stored on failure.
 * @return 0, -EOVERFLOW if no range has the id, or -EINVAL.
 */
int idmap_maps_lookup(const struct idmap_maps *maps, int kind, uint32_t id, uint32_t *result);

/**
 * Frees maps.
 *
 * @param maps  maps of this library, which must not be used afterwards, or NULL.
 */
void idmap_maps_free(struct idmap_maps *maps);

/**
 * Makes a user namespace with these maps.
 *
 * A process that the user namespace begins with is started, and has ended when this returns.
 *
 * @param maps  maps of this library.
 * @return a descriptor of the user namespace with O_CLOEXEC, which close(2) closes, or a negative
 *         error number: -EPERM if the caller may not write such maps.
 */
int idmap_userns_new(const struct idmap_maps *maps);

/**
 * Opens the user namespace of a process.
 *
 * @param pid  the process.
 * @return a descriptor of the user namespace with O_CLOEXEC, which close(2) closes, or a negative
 *         error number: -ENOENT if there is no such process.
 */
int idmap_userns_of_process(uint32_t pid);

/**
 * Makes an idmapped mount that is attached nowhere.
 *
 * Files below it are opened by openat(2) with its descriptor; idmap_attach() attaches it.
 *
 * @param dirfd   an open directory that a relative path counts from, or AT_FDCWD.
 * @param source  a file or a directory: a string that ends with a NUL byte. If it is empty, the
 *                object is that of `dirfd`.
 * @param userns  an open descriptor of the user namespace whose maps the mount takes, or -1 for a
 *                mount without maps.
 * @param flags   IDMAP_RECURSIVE, IDMAP_REPLACE, IDMAP_READ_ONLY, IDMAP_NO_SUID, IDMAP_NO_DEV,
 *                IDMAP_NO_EXEC and IDMAP_NO_SYMFOLLOW, or 0.
 * @return a descriptor of the mount's root with O_CLOEXEC, with which the mount vanishes unless it
 *         was attached, or a negative error number: -EINVAL if the filesystem does not support
 *         idmapped mounts, -EPERM if the caller lacks CAP_SYS_ADMIN or the source has maps.
 */
int idmap_open_tree(int dirfd, const char *source, int userns, unsigned int flags);

/**
 * Attaches a mount that is attached nowhere.
 *
 * @param mount   the open descriptor of the mount, of idmap_open_tree(), open_tree(2) or
 *                fsmount(2). It stays open.
 * @param dirfd   an open directory that a relative path counts from, or AT_FDCWD.
 * @param target  a file or a directory: a string that ends with a NUL byte. If it is empty, the
 *                object is that of `dirfd`. Symbolic links are followed.
 * @return 0, or a negative error number.
 */
int idmap_attach(int mount, int dirfd, const char *target);

/**
 * Mounts a tree with other owners than on disk: a user namespace, a mount, and its place at once.
 *
 * @param source  a file or a directory: a string that ends with a NUL byte.
 * @param target  where it is mounted, of the same sort: a string that ends with a NUL byte.
 * @param maps    maps of this library.
 * @param flags   as for idmap_open_tree().
 * @return 0, or a negative error number; nothing is left of a mount that failed.
 */
int idmap_mount(const char *source,
                const char *target,
                const struct idmap_maps *maps,
                unsigned int flags);

/**
 * Removes a mount.
 *
 * @param target  where it is mounted: a string that ends with a NUL byte. A symbolic link as the
 *                last component is not followed.
 * @param flags   IDMAP_LAZY, or 0.
 * @return 0, or a negative error number: -EBUSY if files of it are in use or something is mounted
 *         below it.
 */
int idmap_unmount(const char *target, unsigned int flags);

#ifdef __cplusplus
} /* extern "C" */
#endif /* __cplusplus */

#endif /* IDMAP_H */
