/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What tests need of C to ask it the same as the kernel crate.
 *
 * The bodies in C of functions that everybody can call are in
 * include/linux/rust_permission.h. Where @in_c is given, it says whether the body
 * in C is called, or the function that takes its place.
 */
#ifndef _FS_TESTS_RUST_PERMISSION_H
#define _FS_TESTS_RUST_PERMISSION_H

#include <linux/fs.h>
#include <linux/mnt_idmapping.h>

/* An extended attribute, or, if @size is negative, the error of reading it. */
struct kunit_attribute {
	const void *value;
	int size;
};

void kunit_set_attribute(struct inode *inode, struct dentry *dentry,
			 const struct kunit_attribute *attribute);

bool kunit_i_uid_needs_update(struct mnt_idmap *idmap, const struct iattr *attr,
			      const struct inode *inode);
bool kunit_i_gid_needs_update(struct mnt_idmap *idmap, const struct iattr *attr,
			      const struct inode *inode);
umode_t kunit_umask(void);

/* fs/namei.c */
int kunit_may_linkat(struct mnt_idmap *idmap, struct dentry *dentry,
		     bool protected, bool in_c);
int kunit_may_create_in_sticky(struct mnt_idmap *idmap, struct inode *inode,
			       umode_t dir_mode, vfsuid_t dir_vfsuid,
			       int regular, int fifos, bool in_c);
umode_t kunit_vfs_prepare_mode(struct mnt_idmap *idmap, const struct inode *dir,
			       umode_t mode, umode_t mask_perms, umode_t type);

/* Opens the initial user namespace (0), a child (1), or another kind (2). */
int kunit_open_namespace(int which);
void kunit_close(int fd);

/* fs/namespace.c */
int kunit_build_mount_idmapped(bool set, bool clear, bool replace,
			       u64 userns_fd, bool in_c, bool *to_nop,
			       bool *to_namespace);
int kunit_can_idmap_mount(struct super_block *sb, struct mnt_idmap *idmap,
			  struct mnt_idmap *new_idmap,
			  struct user_namespace *mnt_userns, bool replace,
			  bool anonymous, bool in_c);

#endif /* _FS_TESTS_RUST_PERMISSION_H */
