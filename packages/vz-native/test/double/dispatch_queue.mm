#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <string>
#include <thread>

#import <Foundation/Foundation.h>
#include <Block.h>
#include <dispatch/dispatch.h>

struct dispatch_queue_s {
  std::string label;
  std::atomic<int> references{1};
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::pair<dispatch_function_t, void *>> work;
  bool released = false;
};

static thread_local dispatch_queue_t current = nullptr;

/* Goes on until the queue is released and nothing is left to do. */
static void serve(dispatch_queue_t queue) {
  GSRegisterCurrentThread();
  current = queue;
  for (;;) {
    std::unique_lock<std::mutex> lock(queue->mutex);
    queue->changed.wait(lock, [queue] { return queue->released || !queue->work.empty(); });
    if (queue->work.empty()) break;
    auto [function, context] = queue->work.front();
    queue->work.pop_front();
    lock.unlock();
    @autoreleasepool {
      function(context);
    }
  }
  GSUnregisterCurrentThread();
  delete queue;
}

dispatch_queue_t dispatch_queue_create(const char *label, dispatch_queue_attr_t) {
  auto *queue = new dispatch_queue_s{};
  queue->label = label == nullptr ? "" : label;
  std::thread(serve, queue).detach();
  return queue;
}

void dispatch_retain(dispatch_queue_t queue) { queue->references++; }

void dispatch_release(dispatch_queue_t queue) {
  if (--queue->references > 0) return;
  std::lock_guard<std::mutex> lock(queue->mutex);
  queue->released = true;
  queue->changed.notify_all();
}

void dispatch_async_f(dispatch_queue_t queue, void *context, dispatch_function_t function) {
  std::lock_guard<std::mutex> lock(queue->mutex);
  queue->work.emplace_back(function, context);
  queue->changed.notify_all();
}

static void callAndRelease(void *context) {
  auto block = (dispatch_block_t)context;
  block();
  Block_release(block);
}

void dispatch_async(dispatch_queue_t queue, dispatch_block_t block) {
  dispatch_async_f(queue, (void *)Block_copy(block), callAndRelease);
}

void dispatch_assert_queue(dispatch_queue_t queue) {
  if (current == queue) return;
  fprintf(stderr, "a call that belongs on the queue %s was made on another\n", queue->label.c_str());
  abort();
}
