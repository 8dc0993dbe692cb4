// SPDX-License-Identifier: GPL-2.0
///
/// Find changes of an inode that neither the VFS nor the filesystem checks.
///
/// The VFS checks nothing before ->unlocked_ioctl(): a file that was opened
/// for reading is enough to get there. A function that takes write access to
/// the mount of the file and locks the inode must call
/// inode_owner_or_capable() with file_mnt_idmap(file), file_permission(), or
/// capable(), or refuse a file without FMODE_WRITE.
///
/// The VFS checks nothing for extended attributes of system.*, either. A
/// ->set() of an xattr_handler that takes all names, or names of system.*,
/// and changes the inode must call inode_owner_or_capable() with its idmap.
///
// Confidence: Moderate. The check may be in a caller in another file.
// Options: --no-includes --include-headers

virtual org
virtual report

@initialize:python@
@@

# The functions of each file that lock an inode, those that check the caller,
# those that mark an inode dirty, and the callers of each function.
locked = set()
checked = set()
dirtying = set()
callers = {}

def unchecked(file, fn):
    above = callers.get((file, fn), set())
    return (file, fn) in locked - checked and not any((file, caller) in checked for caller in above)

@want@
expression file;
position p;
@@

mnt_want_write_file@p(file)

@lock depends on want@
position p;
@@

inode_lock@p(...)

@script:python@
p << lock.p;
@@

locked.add((p[0].file, p[0].current_element))

@check depends on want@
identifier fn =~ "(owner_or_capable|^capable|ns_capable|_permission$|may_create|may_delete|^vfs_|setattr|setxattr)";
position p;
@@

fn@p(...)

@script:python@
p << check.p;
@@

checked.add((p[0].file, p[0].current_element))

// Who has the file open for writing is counted, not checked.
@counted depends on want@
expression file, count;
position p;
@@

(
  file->f_mode & FMODE_WRITE@p && count
|
  !(file->f_mode & FMODE_WRITE@p) && count
)

@mode depends on want@
position p != counted.p;
@@

FMODE_WRITE@p

@script:python@
p << mode.p;
@@

checked.add((p[0].file, p[0].current_element))

@call depends on want@
identifier fn;
position p;
@@

fn@p(...)

@script:python@
fn << call.fn;
p << call.p;
@@

callers.setdefault((p[0].file, fn), set()).add(p[0].current_element)

@handled@
identifier table, setter;
expression names;
@@

struct xattr_handler table = {
  .prefix = names,
  .set = setter,
};

@dropped@
identifier handled.setter, handler, idmap;
parameter list parameters;
position p;
@@

setter@p(const struct xattr_handler *handler, struct mnt_idmap *idmap, parameters)
{
  ... when != idmap
}

@dirty depends on handled@
position p;
@@

mark_inode_dirty@p(...)

@script:python@
p << dirty.p;
@@

dirtying.add((p[0].file, p[0].current_element))

@script:python depends on report@
p << want.p;
@@

fn = p[0].current_element
if unchecked(p[0].file, fn):
    coccilib.report.print_report(p[0], "WARNING: %s() changes an inode without a check of the caller" % fn)

@script:python depends on report@
p << dropped.p;
fn << handled.setter;
names << handled.names;
@@

if names in ('""', "XATTR_SYSTEM_PREFIX") and (p[0].file, fn) in dirtying:
    coccilib.report.print_report(p[0], "WARNING: %s() sets system.* without a check of the owner" % fn)

@script:python depends on org@
p << want.p;
@@

fn = p[0].current_element
if unchecked(p[0].file, fn):
    coccilib.org.print_todo(p[0], "WARNING: %s() changes an inode without a check of the caller" % fn)

@script:python depends on org@
p << dropped.p;
fn << handled.setter;
names << handled.names;
@@

if names in ('""', "XATTR_SYSTEM_PREFIX") and (p[0].file, fn) in dirtying:
    coccilib.org.print_todo(p[0], "WARNING: %s() sets system.* without a check of the owner" % fn)
