//! Randomness and time of the operating system, as the code of a run gets them.
//!
//! This program's `getrandom` and `clock_gettime` stand before libc's. In a thread that has called [`enable`] they answer
//! with keyed bytes and the virtual time of the process whose code is running; in every other thread they pass the call on.
//! So even code that takes no `Env` repeats bit for bit (`HashMap`, `SystemTime::now`, `Instant::now`, rand's generators,
//! a WebSocket's masks), and nobody outside of a run notices. `sim/tests/naive.rs` holds both.
//!
//! Each run needs a fresh thread: std and rand keep what they drew for as long as their thread lives.
//!
//! # What does not repeat
//!
//! | code that | because |
//! |---|---|
//! | starts a thread, or blocks in `spawn_blocking` | another thread has the system's time and chance, and an order of its own |
//! | looks at an address (hashbrown's own hasher does), or at the id of a thread (fastrand does), task or process | they are given out per process, to all runs in it |
//! | asks the system without libc: a bare system call (getrandom 0.2), a file such as `/dev/urandom`, an instruction of the processor | nothing stands before it |
//! | asks libc for the time otherwise, by `gettimeofday` or `time` | C code does; SQLite's is kept from it by `sim/src/disk/` |
//! | keeps state in a `static` or a `OnceLock` | it outlives the run, and runs share it |
//!
//! Nothing of that is in Squall. `cargo sim run` runs the first seed of each scenario twice to find it: exit code 3.
#![expect(
    unsafe_code,
    reason = "to stand before functions of libc is to define and to call foreign functions"
)]

use std::cell::Cell;
use std::ffi::{CStr, c_int, c_void};
use std::mem::transmute;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::time::{Duration, SystemTime};

use libc::{clockid_t, size_t, ssize_t, timespec};

use super::moment;
use crate::draw::{Stream, draw};

/// What monotonic clocks show at the start of a run. Not zero, so that code may subtract from it.
const MONOTONIC: Duration = Duration::from_secs(1_000_000);

/// The state of one thread. Plain data, so that it can be asked while a thread begins or ends.
#[derive(Clone, Copy)]
struct Chance {
    seed: u64,
    drawn: u64,
}

thread_local! {
    static CHANCE: Cell<Option<Chance>> = const { Cell::new(None) };
}

/// From now on this thread gets virtual time and bytes that depend on `seed` alone.
pub(super) fn enable(seed: u64) {
    CHANCE.set(Some(Chance { seed, drawn: 0 }));
}

type GetRandom = unsafe extern "C" fn(*mut c_void, size_t, u32) -> ssize_t;
type ClockGetTime = unsafe extern "C" fn(clockid_t, *mut timespec) -> c_int;

/// Stands before libc's `getrandom`.
///
/// # Safety
/// As libc's: `buffer` is valid for writes of `length` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(buffer: *mut c_void, length: size_t, flags: u32) -> ssize_t {
    if let Some(mut chance) = CHANCE.get() {
        // SAFETY: the caller promises that these bytes may be written; they may hold anything, and `MaybeUninit` says so.
        let bytes =
            unsafe { std::slice::from_raw_parts_mut(buffer.cast::<std::mem::MaybeUninit<u8>>(), length) };
        for chunk in bytes.chunks_mut(8) {
            let drawn = draw(chance.seed, Stream::Entropy, "thread", chance.drawn).to_le_bytes();
            chance.drawn += 1;
            for (byte, drawn) in chunk.iter_mut().zip(drawn) {
                byte.write(drawn);
            }
        }
        CHANCE.set(Some(chance));
        return ssize_t::try_from(length).unwrap_or(ssize_t::MAX);
    }
    static NEXT: AtomicPtr<c_void> = AtomicPtr::new(null_mut());
    let next = next(&NEXT, c"getrandom");
    if next.is_null() {
        // SAFETY: this is the system call behind the function, with the caller's own arguments.
        return unsafe { libc::syscall(libc::SYS_getrandom, buffer, length, flags) as ssize_t };
    }
    // SAFETY: libc declares `getrandom` with exactly this signature.
    let next = unsafe { transmute::<*mut c_void, GetRandom>(next) };
    // SAFETY: the caller's own arguments, passed on.
    unsafe { next(buffer, length, flags) }
}

/// Stands before libc's `clock_gettime`.
///
/// # Safety
/// As libc's: `time` is valid for a write.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: clockid_t, time: *mut timespec) -> c_int {
    if CHANCE.get().is_some()
        && let Some(now) = now(clock)
    {
        let seconds = libc::time_t::try_from(now.as_secs()).unwrap_or(libc::time_t::MAX);
        // SAFETY: the caller promises that `time` may be written.
        unsafe { time.write(timespec { tv_sec: seconds, tv_nsec: now.subsec_nanos().into() }) };
        return 0;
    }
    static NEXT: AtomicPtr<c_void> = AtomicPtr::new(null_mut());
    let next = next(&NEXT, c"clock_gettime");
    if next.is_null() {
        // SAFETY: this is the system call behind the function, with the caller's own arguments.
        return unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) as c_int };
    }
    // SAFETY: libc declares `clock_gettime` with exactly this signature.
    let next = unsafe { transmute::<*mut c_void, ClockGetTime>(next) };
    // SAFETY: the caller's own arguments, passed on.
    unsafe { next(clock, time) }
}

/// What a clock shows the code that is running; none for those that measure work, not time.
fn now(clock: clockid_t) -> Option<Duration> {
    match clock {
        libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE => {
            Some(moment::wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
        }
        libc::CLOCK_MONOTONIC
        | libc::CLOCK_MONOTONIC_COARSE
        | libc::CLOCK_MONOTONIC_RAW
        | libc::CLOCK_BOOTTIME => Some(MONOTONIC + moment::monotonic()),
        _ => None,
    }
}

/// The function that this program's own stands before, looked up once. Null where there is none, in a static program.
/// A lookup each time, or the bare system call, would double the time that a run takes: tokio asks often.
fn next(known: &AtomicPtr<c_void>, name: &CStr) -> *mut c_void {
    let mut next = known.load(Ordering::Relaxed);
    if next.is_null() {
        // SAFETY: the name ends with a zero byte, and `RTLD_NEXT` needs nothing else.
        next = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
        known.store(next, Ordering::Relaxed);
    }
    next
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, RandomState};
    use std::time::Instant;

    use super::*;

    /// In a thread of its own: which numbers `RandomState` draws, and how far the clocks move.
    #[expect(clippy::disallowed_methods, reason = "the subject is what these give")]
    fn observe(seed: Option<u64>) -> (u64, Duration, Option<SystemTime>) {
        std::thread::scope(|scope| {
            let observed = scope.spawn(|| {
                if let Some(seed) = seed {
                    enable(seed);
                }
                moment::set(Duration::from_secs(5));
                let hash = RandomState::new().hash_one("key");
                let start = Instant::now();
                moment::set(Duration::from_secs(7));
                (hash, start.elapsed(), seed.map(|_| SystemTime::now()))
            });
            observed.join().expect("nothing in it panics")
        })
    }

    #[test]
    fn a_seed_fixes_randomness_and_virtual_time_is_what_clocks_show() {
        let (hash, elapsed, date) = observe(Some(1));

        assert_eq!((hash, elapsed, date), observe(Some(1)));
        assert_ne!(hash, observe(Some(2)).0);
        assert_eq!(elapsed, Duration::from_secs(2));
        assert_eq!(date, Some(moment::wall() + Duration::from_secs(7)));
    }

    #[test]
    fn no_draw_repeats_another() {
        let draws = std::thread::scope(|scope| {
            let draws = scope.spawn(|| {
                enable(1);
                [(); 4].map(|()| {
                    let mut bytes = [0_u8; 12];
                    // SAFETY: the buffer is as long as said.
                    let length = unsafe { getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
                    (length, bytes)
                })
            });
            draws.join().expect("nothing in it panics")
        });

        let different: std::collections::BTreeSet<_> = draws.iter().map(|(_, bytes)| bytes).collect();
        assert_eq!(different.len(), 4);
        assert!(draws.iter().all(|(length, bytes)| *length == 12 && bytes[..4] != bytes[8..]));
    }

    #[test]
    fn threads_outside_of_a_run_notice_nothing() {
        let (hash, elapsed, _) = observe(None);

        assert_ne!(hash, observe(None).0);
        assert!(elapsed < Duration::from_secs(2), "the real clock does not follow the virtual one");
    }
}
