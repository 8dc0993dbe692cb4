/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Permission and ownership checks in Rust.
 *
 * The functions that other code calls, and their exports, stay in C. With
 * CONFIG_RUST_MNT_IDMAPPING each of them returns the result of the function
 * below that has its name with the prefix rust_.
 */
#ifndef _LINUX_RUST_PERMISSION_H
#define _LINUX_RUST_PERMISSION_H

#include <asm/current.h>
#include <linux/mnt_idmapping.h>
#include <linux/types.h>

struct cpu_vfs_cap_data;
struct dentry;
struct iattr;
struct inode;
struct mount_attr;
struct posix_acl;
struct super_block;

#ifdef CONFIG_RUST_MNT_IDMAPPING_KUNIT_TEST
extern struct task_struct *mnt_idmapping_c_task;
#endif

/**
 * mnt_idmapping_in_rust - whether a function returns the result of its
 *                         counterpart in Rust
 *
 * KUnit tests compare both: for the task that they store in
 * mnt_idmapping_c_task the functions run in C.
 *
 * Return: true if the function in Rust must be called, false if the function
 * must run in C.
 */
static __always_inline bool mnt_idmapping_in_rust(void)
{
#ifdef CONFIG_RUST_MNT_IDMAPPING_KUNIT_TEST
	return likely(READ_ONCE(mnt_idmapping_c_task) != current);
#else
	return IS_ENABLED(CONFIG_RUST_MNT_IDMAPPING);
#endif
}

/* fs/namei.c */
int rust_generic_permission(struct mnt_idmap *idmap, struct inode *inode,
			    int mask);
int rust___check_sticky(struct mnt_idmap *idmap, struct inode *dir,
			struct inode *inode);

/* fs/inode.c */
void rust_inode_init_owner(struct mnt_idmap *idmap, struct inode *inode,
			   const struct inode *dir, umode_t mode);
bool rust_inode_owner_or_capable(struct mnt_idmap *idmap,
				 const struct inode *inode);
bool rust_in_group_or_capable(struct mnt_idmap *idmap,
			      const struct inode *inode, vfsgid_t vfsgid);
umode_t rust_mode_strip_sgid(struct mnt_idmap *idmap, const struct inode *dir,
			     umode_t mode);

/* fs/attr.c */
int rust_setattr_should_drop_sgid(struct mnt_idmap *idmap,
				  const struct inode *inode);
int rust_setattr_should_drop_suidgid(struct mnt_idmap *idmap,
				     struct inode *inode);
int rust_setattr_prepare(struct mnt_idmap *idmap, struct dentry *dentry,
			 struct iattr *attr);

/* kernel/capability.c */
bool rust_privileged_wrt_inode_uidgid(struct user_namespace *ns,
				      struct mnt_idmap *idmap,
				      const struct inode *inode);
bool rust_capable_wrt_inode_uidgid(struct mnt_idmap *idmap,
				   const struct inode *inode, int cap);

/* fs/posix_acl.c */
int rust_posix_acl_permission(struct mnt_idmap *idmap, struct inode *inode,
			      const struct posix_acl *acl, int want);
ssize_t rust_vfs_posix_acl_to_xattr(struct mnt_idmap *idmap,
				    struct inode *inode,
				    const struct posix_acl *acl, void *buffer,
				    size_t size);
int rust_vfs_set_acl_idmapped_mnt(struct mnt_idmap *idmap,
				  struct user_namespace *fs_userns,
				  struct posix_acl *acl);

/* security/commoncap.c */
int rust_cap_inode_getsecurity(struct mnt_idmap *idmap, struct inode *inode,
			       const char *name, void **buffer, bool alloc);
int rust_cap_convert_nscap(struct mnt_idmap *idmap, struct dentry *dentry,
			   const void **ivalue, size_t size);
int rust_get_vfs_caps_from_disk(struct mnt_idmap *idmap,
				const struct dentry *dentry,
				struct cpu_vfs_cap_data *cpu_caps);

/* fs/namespace.c */
int rust_build_mount_idmapped(const struct mount_attr *attr, bool replace,
			      struct mnt_idmap **mnt_idmap,
			      struct user_namespace **mnt_userns);
int rust_can_idmap_mount(const struct super_block *sb,
			 const struct user_namespace *mnt_userns, bool replace,
			 bool is_idmapped, bool is_anon);
struct mnt_idmap *rust_nest_mnt_idmap(const struct super_block *sb,
				      struct mnt_idmap *old,
				      struct user_namespace *mnt_userns);
int rust_can_nest_idmap(const struct super_block *sb,
			const struct user_namespace *mnt_userns, bool replace,
			bool is_idmapped, bool is_anon, int nested);

#endif /* _LINUX_RUST_PERMISSION_H */
