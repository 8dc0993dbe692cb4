/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the kernel crate decides upon ownership.
 *
 * The functions that everybody calls stay in C, with their exports; with
 * CONFIG_RUST_MNT_IDMAPPING their bodies are calls of the functions here.
 */
#ifndef _FS_RUST_ACCESS_H
#define _FS_RUST_ACCESS_H

#include <linux/types.h>

struct cred;
struct inode;
struct mnt_idmap;

#ifdef CONFIG_RUST_MNT_IDMAPPING
/* The bodies in C are compiled for tests only, under other names. */
# ifdef CONFIG_RUST_MNT_IDMAPPING_KUNIT_TEST
#  define C_BODY(name) oracle_##name
# endif
#else
# define C_BODY(name) name
#endif

int rust_generic_permission(struct mnt_idmap *idmap, struct inode *inode,
			    int mask, const struct cred *cred);
bool rust_inode_owner_or_capable(struct mnt_idmap *idmap,
				 const struct inode *inode,
				 const struct cred *cred);

#ifdef CONFIG_RUST_MNT_IDMAPPING_KUNIT_TEST
int oracle_generic_permission(struct mnt_idmap *idmap, struct inode *inode,
			      int mask);
bool oracle_inode_owner_or_capable(struct mnt_idmap *idmap,
				   const struct inode *inode);
#endif

#endif /* _FS_RUST_ACCESS_H */
