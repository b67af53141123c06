#pragma once
#include <dispatch/dispatch.h>

#include <functional>

namespace vz {

/* Runs something on a queue, later. */
inline void onQueue(dispatch_queue_t queue, std::function<void()> work) {
  dispatch_async_f(queue, new std::function<void()>(std::move(work)), [](void *context) {
    auto *function = static_cast<std::function<void()> *>(context);
    (*function)();
    delete function;
  });
}

}  // namespace vz
