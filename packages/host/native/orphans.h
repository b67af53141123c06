#ifndef ZLAYER_HOST_ORPHANS_H
#define ZLAYER_HOST_ORPHANS_H

/* Makes processes whose parent ends the host's children, where the system can. */
void adopt_orphans(void);
/* Kills and reaps whatever children are left, such as daemons that left their process group. */
void end_orphans(void);

#endif
