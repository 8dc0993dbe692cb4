/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the kernel crate decides upon ownership.
 *
 * The functions that everybody calls stay in C, with their exports; with
 * CONFIG_RUST_MNT_IDMAPPING their bodies are calls of the functions here.
 */
#ifndef _LINUX_RUST_PERMISSION_H
#define _LINUX_RUST_PERMISSION_H

#include <linux/mnt_idmapping.h>
#include <linux/types.h>

struct cpu_vfs_cap_data;
struct cred;
struct dentry;
struct iattr;
struct inode;
struct kstat;
struct path;
struct posix_acl;
struct posix_acl_entry;
struct super_block;

#ifdef CONFIG_RUST_MNT_IDMAPPING
/* The bodies in C are compiled for tests only, under other names. */
# ifdef CONFIG_RUST_MNT_IDMAPPING_KUNIT_TEST
#  define C_BODY(name) oracle_##name
#  define C_STATIC
# endif
#else
# define C_BODY(name) name
# define C_STATIC static
#endif

/* permission and ownership */
int rust_generic_permission(struct mnt_idmap *idmap, struct inode *inode,
			    int mask, const struct cred *cred);
int rust_may_write_inode(struct mnt_idmap *idmap, struct inode *inode,
			 const struct cred *cred);
bool rust_inode_owner_or_capable(struct mnt_idmap *idmap,
				 const struct inode *inode,
				 const struct cred *cred);
bool rust_privileged_wrt_inode_uidgid(struct user_namespace *ns,
				      struct mnt_idmap *idmap,
				      const struct inode *inode,
				      const struct cred *cred);
bool rust_capable_wrt_inode_uidgid(struct mnt_idmap *idmap,
				   const struct inode *inode, int cap,
				   const struct cred *cred);
bool rust_in_group_or_capable(struct mnt_idmap *idmap,
			      const struct inode *inode, vfsgid_t vfsgid,
			      const struct cred *cred);

void rust_fillattr_owner(struct mnt_idmap *idmap, const struct inode *inode,
			 struct kstat *stat, const struct cred *cred);

/* new inodes */
void rust_inode_init_owner(struct mnt_idmap *idmap, struct inode *inode,
			   const struct inode *dir, umode_t mode,
			   const struct cred *cred);
umode_t rust_mode_strip_sgid(struct mnt_idmap *idmap, const struct inode *dir,
			     umode_t mode, const struct cred *cred);

/* attributes */
int rust_setattr_should_drop_sgid(struct mnt_idmap *idmap,
				  const struct inode *inode,
				  const struct cred *cred);
int rust_setattr_should_drop_suidgid(struct mnt_idmap *idmap,
				     const struct inode *inode,
				     const struct cred *cred);
int rust_setattr_prepare(struct mnt_idmap *idmap, struct dentry *dentry,
			 struct iattr *attr, const struct cred *cred);
void rust_setattr_copy_owner(struct mnt_idmap *idmap, struct inode *inode,
			     const struct iattr *attr, const struct cred *cred);
int rust_may_setattr(struct mnt_idmap *idmap, struct inode *inode,
		     unsigned int ia_valid, const struct cred *cred);
int rust_notify_change_ids(struct mnt_idmap *idmap, struct inode *inode,
			   const struct iattr *attr, const struct cred *cred);

/* directories and links */
bool rust_check_sticky(struct mnt_idmap *idmap, const struct inode *dir,
		       const struct inode *inode, const struct cred *cred);
int rust_may_delete(struct mnt_idmap *idmap, struct inode *dir,
		    struct dentry *victim, const struct cred *cred);
int rust_may_linkat(struct mnt_idmap *idmap, struct inode *inode,
		    bool protected, const struct cred *cred);
int rust_may_follow_link(struct mnt_idmap *idmap, const struct inode *link,
			 umode_t dir_mode, vfsuid_t dir_vfsuid, bool in_rcu,
			 const struct cred *cred);
const char *rust_may_create_in_sticky(struct mnt_idmap *idmap,
				      const struct inode *inode,
				      umode_t dir_mode, vfsuid_t dir_vfsuid,
				      int protected_regular, int protected_fifos,
				      const struct cred *cred);

/* access control lists and capabilities of files */
void rust_posix_acl_entry_to_fs(struct mnt_idmap *idmap,
				struct user_namespace *fs_userns,
				struct posix_acl_entry *entry,
				const struct cred *cred);
u32 rust_posix_acl_entry_to_caller(struct mnt_idmap *idmap,
				   struct user_namespace *fs_userns,
				   const struct posix_acl_entry *entry,
				   const struct cred *cred);
int rust_caps_to_execute(struct mnt_idmap *idmap, struct inode *inode,
			 const void *data, size_t size, kuid_t *rootid,
			 const struct cred *cred);
int rust_caps_to_caller(struct mnt_idmap *idmap, struct inode *inode,
			const void *data, size_t size, u32 *rootid,
			const struct cred *cred);
int rust_caps_from_caller(struct mnt_idmap *idmap, struct inode *inode,
			  const void *data, size_t size, u32 *rootid,
			  const struct cred *cred);

/* who may idmap a mount */
int rust_build_mount_idmapped(bool set, bool clear, bool replace,
			      u64 userns_fd, struct mnt_idmap **idmap,
			      struct user_namespace **mnt_userns,
			      const struct cred *cred);
int rust_can_idmap_mount(const struct super_block *sb,
			 const struct user_namespace *mnt_userns, bool replace,
			 bool is_idmapped, bool is_anonymous,
			 const struct cred *cred);

#ifdef CONFIG_RUST_MNT_IDMAPPING_KUNIT_TEST
int oracle_generic_permission(struct mnt_idmap *idmap, struct inode *inode,
			      int mask);
int oracle_inode_permission(struct mnt_idmap *idmap, struct inode *inode,
			    int mask);
bool oracle_inode_owner_or_capable(struct mnt_idmap *idmap,
				   const struct inode *inode);
bool oracle_privileged_wrt_inode_uidgid(struct user_namespace *ns,
					struct mnt_idmap *idmap,
					const struct inode *inode);
bool oracle_capable_wrt_inode_uidgid(struct mnt_idmap *idmap,
				     const struct inode *inode, int cap);
bool oracle_in_group_or_capable(struct mnt_idmap *idmap,
				const struct inode *inode, vfsgid_t vfsgid);
void oracle_inode_init_owner(struct mnt_idmap *idmap, struct inode *inode,
			     const struct inode *dir, umode_t mode);
umode_t oracle_mode_strip_sgid(struct mnt_idmap *idmap,
			       const struct inode *dir, umode_t mode);
int oracle_setattr_should_drop_sgid(struct mnt_idmap *idmap,
				    const struct inode *inode);
int oracle_setattr_should_drop_suidgid(struct mnt_idmap *idmap,
				       struct inode *inode);
int oracle_setattr_prepare(struct mnt_idmap *idmap, struct dentry *dentry,
			   struct iattr *attr);
void oracle_setattr_copy_owner(struct mnt_idmap *idmap, struct inode *inode,
			       const struct iattr *attr);
int oracle_may_setattr(struct mnt_idmap *idmap, struct inode *inode,
		       unsigned int ia_valid);
int oracle_notify_change_ids(struct mnt_idmap *idmap, struct inode *inode,
			     const struct iattr *attr, unsigned int ia_valid);
int oracle___check_sticky(struct mnt_idmap *idmap, struct inode *dir,
			  struct inode *inode);
int oracle_may_delete_dentry(struct mnt_idmap *idmap, struct inode *dir,
			     struct dentry *victim, bool isdir);
int oracle_may_linkat(struct mnt_idmap *idmap, const struct path *link);
int oracle_vfs_set_acl_idmapped_mnt(struct mnt_idmap *idmap,
				    struct user_namespace *fs_userns,
				    struct posix_acl *acl);
ssize_t oracle_vfs_posix_acl_to_xattr(struct mnt_idmap *idmap,
				      struct inode *inode,
				      const struct posix_acl *acl, void *buffer,
				      size_t size);
int oracle_cap_inode_getsecurity(struct mnt_idmap *idmap, struct inode *inode,
				 const char *name, void **buffer, bool alloc);
int oracle_cap_convert_nscap(struct mnt_idmap *idmap, struct dentry *dentry,
			     const void **ivalue, size_t size);
int oracle_get_vfs_caps_from_disk(struct mnt_idmap *idmap,
				  const struct dentry *dentry,
				  struct cpu_vfs_cap_data *cpu_caps);
#endif

#endif /* _LINUX_RUST_PERMISSION_H */
