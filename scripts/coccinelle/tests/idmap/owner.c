// SPDX-License-Identifier: GPL-2.0
/* For idmap_owner.cocci: a line with "finds" must be reported, others must not. */

/* filelocks: who may take a lease. */
static int vfs_setlease(struct file *filp)
{
	struct inode *inode = file_inode(filp);

	if (!uid_eq(current_fsuid(), inode->i_uid) && !capable(CAP_LEASE)) /* finds */
		return -EACCES;
	return 0;
}

/* fs: the owner who gives a file to a group of his. */
static bool chgrp_ok(struct inode *inode)
{
	kuid_t fsuid = current_fsuid();

	if (uid_eq(inode->i_uid, fsuid) && /* finds */
	    in_group_p(inode->i_gid)) /* finds */
		return true;
	return false;
}

/* apparmor: the owner of a file that is linked. */
static bool owns(const struct cred *cred, struct inode *inode)
{
	return uid_eq(cred->fsuid, inode->i_uid); /* finds */
}

/* hfs: a new inode. */
struct inode *hfs_new_inode(struct inode *dir)
{
	struct inode *inode = new_inode(dir->i_sb);

	inode->i_uid = current_fsuid(); /* finds */
	inode->i_gid = current_fsgid(); /* finds */
	return inode;
}

static int toy_getattr(struct mnt_idmap *idmap, const struct path *path,
		       struct kstat *stat, u32 request_mask, unsigned int flags)
{
	stat->uid = d_inode(path->dentry)->i_uid; /* finds */
	return 0;
}

/* xfs: the quota of a new inode. */
int xfs_create(struct mnt_idmap *idmap, struct xfs_inode *dp)
{
	return xfs_qm_vop_dqalloc(dp,
				  current_fsuid(), /* finds */
				  current_fsgid(), /* finds */
				  0);
}

/* Right: as the mount shows the owner. */
static bool right_owner(struct mnt_idmap *idmap, struct inode *inode)
{
	return vfsuid_eq_kuid(i_uid_into_vfsuid(idmap, inode), current_fsuid()) ||
	       vfsgid_in_group_p(i_gid_into_vfsgid(idmap, inode));
}

/* Right: the id that a new inode takes. */
static kuid_t right_new(struct mnt_idmap *idmap, struct super_block *sb)
{
	return mapped_fsuid(idmap, sb->s_user_ns);
}

/* Right: both owners are stored ones. */
static bool right_same(struct inode *one, struct inode *other)
{
	return uid_eq(one->i_uid, other->i_uid);
}
