/* SPDX-License-Identifier: GPL-2.0 */
/*
 * fs/mnt_idmapping.c with the prefix oracle_, for comparison with Rust.
 */
#ifndef _FS_TESTS_MNT_IDMAPPING_ORACLE_H
#define _FS_TESTS_MNT_IDMAPPING_ORACLE_H

#include <linux/fs.h>

struct seq_file;

extern struct mnt_idmap oracle_nop_mnt_idmap;
extern struct mnt_idmap oracle_invalid_mnt_idmap;

struct mnt_idmap *oracle_alloc_mnt_idmap(struct user_namespace *mnt_userns);
struct mnt_idmap *oracle_mnt_idmap_get(struct mnt_idmap *idmap);
void oracle_mnt_idmap_put(struct mnt_idmap *idmap);

vfsuid_t oracle_make_vfsuid(struct mnt_idmap *idmap,
			    struct user_namespace *fs_userns, kuid_t kuid);
vfsgid_t oracle_make_vfsgid(struct mnt_idmap *idmap,
			    struct user_namespace *fs_userns, kgid_t kgid);
kuid_t oracle_from_vfsuid(struct mnt_idmap *idmap,
			  struct user_namespace *fs_userns, vfsuid_t vfsuid);
kgid_t oracle_from_vfsgid(struct mnt_idmap *idmap,
			  struct user_namespace *fs_userns, vfsgid_t vfsgid);
int oracle_vfsgid_in_group_p(vfsgid_t vfsgid);
int oracle_statmount_mnt_idmap(struct mnt_idmap *idmap, struct seq_file *seq,
			       bool uid_map);

/* Sets the id of a user namespace that a test has allocated. */
void oracle_set_namespace_id(struct user_namespace *ns, u64 id);

#endif /* _FS_TESTS_MNT_IDMAPPING_ORACLE_H */
