//! Runs jobs on all cores.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Returns the results of jobs 0..count in this order. One thread computes each job, so the number of threads changes no
/// result. The last jobs start first: the examples list their quick methods first, and a long job that starts last would
/// keep one core busy alone.
pub fn in_parallel<T: Send>(count: usize, job: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let take_jobs = || {
        let numbers = std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)));
        let jobs = numbers.take_while(|&number| number < count).map(|number| count - 1 - number);
        jobs.map(|number| (number, job(number))).collect::<Vec<_>>()
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(count);
    let mut done: Vec<(usize, T)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(take_jobs)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a worker's panic ends the program")).collect()
    });
    done.sort_by_key(|&(number, _)| number);
    done.into_iter().map(|(_, result)| result).collect()
}
