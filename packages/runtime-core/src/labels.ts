/** Label of a container: the runtime that has to run it, such as `vz-linux`, `vm`, `qemu`, `sandbox`. */
export const ISOLATION_LABEL = 'com.zlayer.isolation';

/** Label or annotation of an image: the runtime that it was built for. */
export const RUNTIME_LABEL = 'com.zlayer.runtime';

/** Label of a macOS container: the user of the guest that runs its workload. */
export const VZ_USER_LABEL = 'com.zlayer.vz.user';
