//! SQLite's side of a disk: the functions of a VFS (sqlite.org/vfs.html, sqlite.org/c3ref/io_methods.html).
//!
//! In: pointers from SQLite. Out: its result codes. Each function turns the pointers into what Rust knows, calls the disk
//! and translates the answer; nothing else is here.
#![expect(unsafe_code, reason = "SQLite calls a VFS through pointers, and a VFS writes where they point")]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{null, null_mut};
use std::slice::{from_raw_parts, from_raw_parts_mut};
use std::sync::{Arc, LazyLock};

use rusqlite::ffi;

use super::locks::Level;
use super::mounts::{self, Mounted};
use super::shared_memory::{Region, Slots};
use super::storage::{Failure, HandleId, Opening, Storage};

const NAME: &CStr = c"squall-disk";
/// The longest path, as os_unix.c has it.
const PATH_MAX: usize = 512;
/// What os_unix.c reports. What a loss of power tears is smaller.
const SECTOR: c_int = 4096;

/// What SQLite allocates for an open file: it knows the first field, the rest is ours.
#[repr(C)]
struct VfsFile {
    base: ffi::sqlite3_file,
    handle: *mut Handle,
}

/// An open file.
struct Handle {
    mounted: Mounted,
    id: HandleId,
    /// What SQLite was told the address of stays there until the file is closed, also when its owner is dead.
    regions: Vec<Arc<Region>>,
}

impl Handle {
    fn with<R>(&self, mut operation: impl FnMut(&mut Storage, HandleId) -> R) -> R {
        self.mounted.with(|storage| operation(storage, self.id))
    }
}

/// Makes the VFS known to SQLite, once in a program, and says its name.
pub(super) fn register() -> &'static str {
    static REGISTERED: LazyLock<()> = LazyLock::new(|| {
        let vfs = Box::leak(Box::new(vfs()));
        // SAFETY: what is registered is never unregistered, is never moved and lives as long as the program.
        let code = unsafe { ffi::sqlite3_vfs_register(vfs, 0) };
        assert_eq!(code, ffi::SQLITE_OK, "SQLite takes any VFS once it is initialised");
    });
    LazyLock::force(&REGISTERED);
    NAME.to_str().expect("it is ASCII")
}

fn vfs() -> ffi::sqlite3_vfs {
    ffi::sqlite3_vfs {
        iVersion: 2,
        szOsFile: size_of::<VfsFile>() as c_int,
        mxPathname: PATH_MAX as c_int,
        pNext: null_mut(),
        zName: NAME.as_ptr(),
        pAppData: null_mut(),
        xOpen: Some(open),
        xDelete: Some(delete),
        xAccess: Some(access),
        xFullPathname: Some(full_pathname),
        xDlOpen: None,
        xDlError: None,
        xDlSym: None,
        xDlClose: None,
        xRandomness: Some(randomness),
        xSleep: Some(sleep),
        xCurrentTime: Some(current_time),
        xGetLastError: Some(get_last_error),
        xCurrentTimeInt64: Some(current_time_int64),
        xSetSystemCall: None,
        xGetSystemCall: None,
        xNextSystemCall: None,
    }
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// A panic must not unwind into C; the hook has kept what it said.
fn guarded(io_error: c_int, call: impl FnOnce() -> c_int) -> c_int {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or(io_error)
}

/// A result code: `io_error` says in which operation.
fn code(result: Result<(), Failure>, io_error: c_int) -> c_int {
    match result {
        Ok(()) => ffi::SQLITE_OK,
        Err(Failure::Full) => ffi::SQLITE_FULL,
        Err(Failure::Busy) => ffi::SQLITE_BUSY,
        Err(Failure::Error | Failure::Absent | Failure::HeldBack) => io_error,
    }
}

/// # Safety
/// `path` ends with a zero byte and lives for `'a`.
unsafe fn text<'a>(path: *const c_char) -> Result<&'a str, Failure> {
    // SAFETY: as the caller promises.
    unsafe { CStr::from_ptr(path) }.to_str().map_err(|_| Failure::Absent)
}

/// # Safety
/// [`open`] has filled `file`, and [`close`] not yet emptied it; nobody else uses it for `'a`: SQLite calls a file's methods
/// one at a time.
unsafe fn handle<'a>(file: *mut ffi::sqlite3_file) -> &'a mut Handle {
    // SAFETY: SQLite has allocated a `VfsFile`, for it was told its size, and `open` has put a handle into it.
    unsafe { &mut *(*file.cast::<VfsFile>()).handle }
}

// The functions of the VFS. What each is given, and may do with it, is in SQLite's documentation.

unsafe extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    path: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    flags_out: *mut c_int,
) -> c_int {
    // SAFETY: `file` is of the size that the VFS asked for; without methods, SQLite does not close what failed to open.
    unsafe {
        file.cast::<VfsFile>()
            .write(VfsFile { base: ffi::sqlite3_file { pMethods: null() }, handle: null_mut() });
    }
    guarded(ffi::SQLITE_CANTOPEN, || {
        let is = |flag: c_int| flags & flag != 0;
        let how = Opening {
            create: is(ffi::SQLITE_OPEN_CREATE),
            temporary: is(ffi::SQLITE_OPEN_DELETEONCLOSE),
            journal: is(ffi::SQLITE_OPEN_MAIN_JOURNAL
                | ffi::SQLITE_OPEN_WAL
                | ffi::SQLITE_OPEN_SUPER_JOURNAL),
        };
        let found = if path.is_null() {
            Ok((mounts::nameless(), "nameless"))
        } else {
            // SAFETY: a path that is not null ends with a zero byte, and lives longer than this call.
            unsafe { text(path) }.and_then(mounts::find)
        };
        let opened = found.and_then(|(mounted, name)| {
            let id = mounted.with(|storage| storage.open(mounted.id(), name, how))?;
            Ok(Handle { mounted, id, regions: Vec::new() })
        });
        let Ok(handle) = opened else { return ffi::SQLITE_CANTOPEN };
        // SAFETY: as above; from here on it has methods, and SQLite will close it.
        unsafe {
            file.cast::<VfsFile>().write(VfsFile {
                base: ffi::sqlite3_file { pMethods: &METHODS },
                handle: Box::into_raw(Box::new(handle)),
            });
            if !flags_out.is_null() {
                flags_out.write(flags);
            }
        }
        ffi::SQLITE_OK
    })
}

unsafe extern "C" fn delete(_: *mut ffi::sqlite3_vfs, path: *const c_char, sync_directory: c_int) -> c_int {
    guarded(ffi::SQLITE_IOERR_DELETE, || {
        // SAFETY: the path ends with a zero byte, and lives longer than this call.
        let deleted = unsafe { text(path) }.and_then(mounts::find).and_then(|(mounted, name)| {
            mounted.with(|storage| storage.delete(mounted.id(), name, sync_directory != 0))
        });
        match deleted {
            Err(Failure::Absent) => ffi::SQLITE_IOERR_DELETE_NOENT,
            deleted => code(deleted, ffi::SQLITE_IOERR_DELETE),
        }
    })
}

unsafe extern "C" fn access(
    _: *mut ffi::sqlite3_vfs,
    path: *const c_char,
    _flags: c_int,
    answer: *mut c_int,
) -> c_int {
    guarded(ffi::SQLITE_IOERR_ACCESS, || {
        // SAFETY: the path ends with a zero byte, and lives longer than this call.
        let exists = unsafe { text(path) }
            .and_then(mounts::find)
            .and_then(|(mounted, name)| mounted.with(|storage| storage.exists(mounted.id(), name)));
        code(
            // SAFETY: SQLite has given the address of a number.
            exists.map(|exists| unsafe { answer.write(c_int::from(exists)) }),
            ffi::SQLITE_IOERR_ACCESS,
        )
    })
}

unsafe extern "C" fn full_pathname(
    _: *mut ffi::sqlite3_vfs,
    path: *const c_char,
    size: c_int,
    full: *mut c_char,
) -> c_int {
    // SAFETY: the path ends with a zero byte.
    let bytes = unsafe { CStr::from_ptr(path) }.to_bytes_with_nul();
    if usize::try_from(size).is_ok_and(|size| bytes.len() <= size) {
        // SAFETY: `full` has room for `size` bytes, and is not where the path is.
        unsafe { full.copy_from_nonoverlapping(bytes.as_ptr().cast(), bytes.len()) };
        ffi::SQLITE_OK
    } else {
        ffi::SQLITE_CANTOPEN
    }
}

/// SQLite seeds its generator from the default VFS, which this is not; zeros are as good as anything.
unsafe extern "C" fn randomness(_: *mut ffi::sqlite3_vfs, length: c_int, bytes: *mut c_char) -> c_int {
    // SAFETY: `bytes` has room for `length` bytes.
    unsafe { bytes.write_bytes(0, usize::try_from(length).unwrap_or_default()) };
    length
}

/// No time passes here: who waits for a lock in one thread waits for itself.
unsafe extern "C" fn sleep(_: *mut ffi::sqlite3_vfs, microseconds: c_int) -> c_int {
    microseconds
}

/// In days, as astronomers count them.
unsafe extern "C" fn current_time(_: *mut ffi::sqlite3_vfs, days: *mut f64) -> c_int {
    // SAFETY: SQLite has given the address of a number.
    unsafe { days.write(julian_milliseconds() as f64 / 86_400_000.0) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn current_time_int64(_: *mut ffi::sqlite3_vfs, milliseconds: *mut i64) -> c_int {
    // SAFETY: SQLite has given the address of a number.
    unsafe { milliseconds.write(julian_milliseconds()) };
    ffi::SQLITE_OK
}

fn julian_milliseconds() -> i64 {
    const OF_1970: i64 = 210_866_760_000_000;
    i64::try_from(mounts::wall().as_millis()).unwrap_or_default() + OF_1970
}

unsafe extern "C" fn get_last_error(_: *mut ffi::sqlite3_vfs, _: c_int, _: *mut c_char) -> c_int {
    0
}

// The methods of a file.

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: the handle was a box when `open` put it there; nobody uses the file after this.
    let handle = unsafe { Box::from_raw((*file.cast::<VfsFile>()).handle) };
    guarded(ffi::SQLITE_OK, || {
        handle.with(Storage::close);
        ffi::SQLITE_OK
    })
}

unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    buffer: *mut c_void,
    length: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    guarded(ffi::SQLITE_IOERR_READ, || {
        let (Ok(length), Ok(offset)) = (usize::try_from(length), usize::try_from(offset)) else {
            return ffi::SQLITE_IOERR_READ;
        };
        // SAFETY: `buffer` has room for `length` bytes, which SQLite has allocated and nobody else uses now. Bytes that
        // nobody has written yet are made zeros first.
        let buffer = unsafe {
            buffer.cast::<u8>().write_bytes(0, length);
            from_raw_parts_mut(buffer.cast::<u8>(), length)
        };
        // SAFETY: the file is open.
        match unsafe { handle(file) }.with(|storage, id| storage.read(id, offset, buffer)) {
            Ok(read) if read < length => ffi::SQLITE_IOERR_SHORT_READ,
            result => code(result.map(drop), ffi::SQLITE_IOERR_READ),
        }
    })
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    bytes: *const c_void,
    length: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    guarded(ffi::SQLITE_IOERR_WRITE, || {
        let (Ok(length), Ok(offset)) = (usize::try_from(length), usize::try_from(offset)) else {
            return ffi::SQLITE_IOERR_WRITE;
        };
        // SAFETY: SQLite gives `length` bytes, which nobody changes meanwhile.
        let bytes = unsafe { from_raw_parts(bytes.cast::<u8>(), length) };
        // SAFETY: the file is open.
        let written = unsafe { handle(file) }.with(|storage, id| storage.write(id, offset, bytes));
        code(written, ffi::SQLITE_IOERR_WRITE)
    })
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, length: ffi::sqlite3_int64) -> c_int {
    guarded(ffi::SQLITE_IOERR_TRUNCATE, || {
        let Ok(length) = usize::try_from(length) else { return ffi::SQLITE_IOERR_TRUNCATE };
        // SAFETY: the file is open.
        let truncated = unsafe { handle(file) }.with(|storage, id| storage.truncate(id, length));
        code(truncated, ffi::SQLITE_IOERR_TRUNCATE)
    })
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _flags: c_int) -> c_int {
    guarded(ffi::SQLITE_IOERR_FSYNC, || {
        // SAFETY: the file is open.
        code(unsafe { handle(file) }.with(Storage::sync), ffi::SQLITE_IOERR_FSYNC)
    })
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, size: *mut ffi::sqlite3_int64) -> c_int {
    guarded(ffi::SQLITE_IOERR_FSTAT, || {
        // SAFETY: the file is open.
        let length = unsafe { handle(file) }.with(Storage::length);
        // SAFETY: SQLite has given the address of a number.
        let told = length.map(|length| unsafe { size.write(i64::try_from(length).unwrap_or(i64::MAX)) });
        code(told, ffi::SQLITE_IOERR_FSTAT)
    })
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    guarded(ffi::SQLITE_IOERR_LOCK, || {
        // SAFETY: the file is open.
        let locked =
            unsafe { handle(file) }.with(|storage, id| storage.locks(id)?.raise(id, level_of(level)));
        code(locked, ffi::SQLITE_IOERR_LOCK)
    })
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    guarded(ffi::SQLITE_IOERR_UNLOCK, || {
        // SAFETY: the file is open.
        let unlocked = unsafe { handle(file) }
            .with(|storage, id| storage.locks(id).map(|locks| locks.lower(id, level_of(level))));
        code(unlocked, ffi::SQLITE_IOERR_UNLOCK)
    })
}

fn level_of(level: c_int) -> Level {
    match level {
        ffi::SQLITE_LOCK_NONE => Level::Unlocked,
        ffi::SQLITE_LOCK_SHARED => Level::Shared,
        ffi::SQLITE_LOCK_RESERVED => Level::Reserved,
        ffi::SQLITE_LOCK_PENDING => Level::Pending,
        _ => Level::Exclusive,
    }
}

unsafe extern "C" fn check_reserved_lock(file: *mut ffi::sqlite3_file, answer: *mut c_int) -> c_int {
    guarded(ffi::SQLITE_IOERR_CHECKRESERVEDLOCK, || {
        // SAFETY: the file is open.
        let reserved = unsafe { handle(file) }.with(|storage, id| Ok(storage.locks(id)?.is_reserved()));
        // SAFETY: SQLite has given the address of a number.
        let told = reserved.map(|reserved| unsafe { answer.write(c_int::from(reserved)) });
        code(told, ffi::SQLITE_IOERR_CHECKRESERVEDLOCK)
    })
}

unsafe extern "C" fn file_control(_: *mut ffi::sqlite3_file, _: c_int, _: *mut c_void) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn sector_size(_: *mut ffi::sqlite3_file) -> c_int {
    SECTOR
}

/// As os_unix.c has it: what is beside a write in its sector survives it.
unsafe extern "C" fn device_characteristics(_: *mut ffi::sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    number: c_int,
    size: c_int,
    extend: c_int,
    address: *mut *mut c_void,
) -> c_int {
    guarded(ffi::SQLITE_IOERR_SHMMAP, || {
        let (Ok(number), Ok(size)) = (usize::try_from(number), usize::try_from(size)) else {
            return ffi::SQLITE_IOERR_SHMMAP;
        };
        // SAFETY: the file is open.
        let handle = unsafe { handle(file) };
        let mapped = handle.with(|storage, id| storage.map(id, number, size, extend != 0));
        let told = mapped.map(|region| {
            let there = region.as_ref().map_or(null_mut(), |region| region.address().cast::<c_void>());
            handle.regions.extend(region);
            // SAFETY: SQLite has given the address of a pointer; what it is told stays until the file is closed.
            unsafe { address.write(there) };
        });
        code(told, ffi::SQLITE_IOERR_SHMMAP)
    })
}

unsafe extern "C" fn shm_lock(
    file: *mut ffi::sqlite3_file,
    first: c_int,
    count: c_int,
    flags: c_int,
) -> c_int {
    guarded(ffi::SQLITE_IOERR_SHMLOCK, || {
        let slots = (first..first + count).fold(0, |slots: Slots, slot| slots | 1 << slot);
        // SAFETY: the file is open.
        let locked = unsafe { handle(file) }.with(|storage, id| {
            let memory = storage.shared_memory(id)?;
            if flags & ffi::SQLITE_SHM_UNLOCK != 0 {
                memory.unlock(id, slots);
                Ok(())
            } else if flags & ffi::SQLITE_SHM_SHARED != 0 {
                memory.lock_shared(id, slots)
            } else {
                memory.lock_exclusive(id, slots)
            }
        });
        code(locked, ffi::SQLITE_IOERR_SHMLOCK)
    })
}

unsafe extern "C" fn shm_barrier(_: *mut ffi::sqlite3_file) {
    std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
}

unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, _delete: c_int) -> c_int {
    guarded(ffi::SQLITE_OK, || {
        // SAFETY: the file is open; SQLite has done with the regions.
        let handle = unsafe { handle(file) };
        // Who is dead has none.
        handle
            .with(|storage, id| storage.shared_memory(id).map(|memory| memory.unmap(id)))
            .unwrap_or_default();
        handle.regions.clear();
        ffi::SQLITE_OK
    })
}
