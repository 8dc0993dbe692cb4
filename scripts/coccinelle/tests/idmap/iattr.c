// SPDX-License-Identifier: GPL-2.0
/* For idmap_iattr.cocci: a line with "finds" must be reported, others must not. */

/* jfs: a change of the owner that the quota does not see. */
int toy_setattr(struct mnt_idmap *idmap, struct dentry *dentry,
		struct iattr *iattr)
{
	struct inode *inode = d_inode(dentry);

	if (iattr->ia_valid & ATTR_UID &&
	    !uid_eq(iattr->ia_uid, inode->i_uid)) /* finds */
		return dquot_transfer(idmap, inode, iattr);
	return 0;
}

/* ubifs: stores an id as the caller named it. */
static void do_attr_changes(struct inode *inode, const struct iattr *attr)
{
	if (attr->ia_valid & ATTR_GID)
		inode->i_gid = attr->ia_gid; /* finds */
}

/* ksmbd: an id that was mapped is mapped again. */
static int set_owner(struct mnt_idmap *idmap, struct dentry *dentry, kuid_t uid)
{
	struct iattr attr;

	attr.ia_valid = ATTR_UID;
	attr.ia_uid = uid; /* finds */
	return notify_change(idmap, dentry, &attr, NULL);
}

/* Right: compares and stores through the idmap. */
static int right_setattr(struct mnt_idmap *idmap, struct dentry *dentry,
			 struct iattr *attr)
{
	struct inode *inode = d_inode(dentry);

	if (i_uid_needs_update(idmap, attr, inode) ||
	    i_gid_needs_update(idmap, attr, inode))
		return dquot_transfer(idmap, inode, attr);
	i_uid_update(idmap, attr, inode);
	i_gid_update(idmap, attr, inode);
	return 0;
}

/* Right: the id that the server stores. */
static u32 right_encode(struct mnt_idmap *idmap, struct inode *inode,
			struct iattr *attr)
{
	return from_kuid(&init_user_ns,
			 from_vfsuid(idmap, i_user_ns(inode), attr->ia_vfsuid));
}

/* Right: an id of a request, decoded and checked. */
static int right_decode(struct svc_rqst *rqstp, struct iattr *iap, u32 uid)
{
	iap->ia_uid = make_kuid(nfsd_user_namespace(rqstp), uid);
	if (uid_valid(iap->ia_uid))
		iap->ia_valid |= ATTR_UID;
	return nfsd_map_name_to_gid(rqstp, &iap->ia_gid);
}
