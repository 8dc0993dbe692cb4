// SPDX-License-Identifier: GPL-2.0
///
/// Find inode operations that are passed the idmap of the mount and do not use
/// it, and simple_getattr(), which drops it. ->getattr() must fill the kstat,
/// ->setattr() must check and change owners, ->permission() must compare the
/// caller, and ->create(), ->mkdir(), ->mknod(), ->symlink() and ->tmpfile()
/// must give the new inode its owner through the idmap.
///
// Confidence: High. A filesystem whose owners are mount options gives all
// inodes the same owner, and creates them without an idmap.
// Options: --no-includes --include-headers

virtual org
virtual report

@initialize:python@
@@

import re

# The parameters after the idmap, by the operation.
operations = [(name, re.compile(r"^%s$" % pattern.replace(" ", r"\s+").replace("ID", r"\w+"))) for name, pattern in [
    ("getattr", r"const struct path \* ID , struct kstat \* ID , u32 ID , unsigned (int )?ID"),
    ("setattr", r"struct dentry \* ID , struct iattr \* ID"),
    ("permission", r"struct inode \* ID , int ID"),
    ("create() or ->mkdir", r"struct inode \* ID , struct dentry \* ID , umode_t ID"),
    ("mknod", r"struct inode \* ID , struct dentry \* ID , umode_t ID , dev_t ID"),
    ("symlink", r"struct inode \* ID , struct dentry \* ID , const char \* ID"),
    ("tmpfile", r"struct inode \* ID , struct file \* ID , umode_t ID"),
]]

def operation(parameters):
    for name, pattern in operations:
        if pattern.match(parameters.strip()):
            return name
    return None

# A function that only returns an error compares and makes nothing.
@stub@
identifier fn, idmap;
constant error;
position p;
@@

fn@p(..., struct mnt_idmap *idmap, ...)
{
(
  return -error;
|
  return ERR_PTR(-error);
)
}

@unused@
identifier fn, idmap;
parameter list parameters;
position p != stub.p;
@@

fn@p(struct mnt_idmap *idmap, parameters)
{
  ... when != idmap
}

@simple@
identifier operations;
position p;
@@

struct inode_operations operations = {
  .getattr = simple_getattr@p,
};

@script:python depends on report@
p << unused.p;
fn << unused.fn;
parameters << unused.parameters;
@@

found = operation(str(parameters))
if found:
    coccilib.report.print_report(p[0], "WARNING: %s() does not use the idmap of ->%s()" % (fn, found))

@script:python depends on report@
p << simple.p;
@@

coccilib.report.print_report(p[0], "WARNING: simple_getattr() drops the idmap: leave ->getattr() NULL")

@script:python depends on org@
p << unused.p;
fn << unused.fn;
parameters << unused.parameters;
@@

found = operation(str(parameters))
if found:
    coccilib.org.print_todo(p[0], "WARNING: %s() does not use the idmap of ->%s()" % (fn, found))

@script:python depends on org@
p << simple.p;
@@

coccilib.org.print_todo(p[0], "WARNING: simple_getattr() drops the idmap: leave ->getattr() NULL")
