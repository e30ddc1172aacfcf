//! The linear memory. In wasm an address is a pointer; natively, in a test, a
//! block of bytes stands for the memory, an address is an offset into it, and
//! what the plugin hands out is copied into it.

use core::mem::{align_of, size_of};

pub(crate) struct Memory {
    #[cfg(not(target_arch = "wasm32"))]
    block: *mut u8,
    #[cfg(not(target_arch = "wasm32"))]
    size: usize,
    #[cfg(not(target_arch = "wasm32"))]
    free: usize, // from here on by place
}

impl Memory {
    /// The values at an address, which live as long as the instance, or `None`
    /// where they are misaligned or outside the memory.
    pub fn view<T: 'static>(&self, at: u32, count: usize) -> Option<&'static [T]> {
        if count == 0 {
            return Some(&[]);
        }
        let p = self.pointer(at, count as u64 * size_of::<T>() as u64)?;
        if at as usize % align_of::<T>() != 0 {
            return None;
        }
        // SAFETY: it lies in the memory and is aligned; any bytes are a T, of which
        // there are only numbers; the host writes nothing while the plugin runs.
        Some(unsafe { core::slice::from_raw_parts(p.cast(), count) })
    }

    /// A copy of a struct of `size` bytes at an address, of which `len` are there.
    pub fn read<T: Copy + 'static>(&self, at: u32, len: u32, size: u32) -> Option<T> {
        if len < size {
            return None;
        }
        self.view(at, 1).map(|v: &[T]| v[0])
    }

    pub fn place_slice<T>(&mut self, of: &[T]) -> (u32, u32) {
        let n = core::mem::size_of_val(of);
        // SAFETY: any T of the contract is plain bytes.
        (self.place(unsafe { core::slice::from_raw_parts(of.as_ptr().cast(), n) }), n as u32)
    }

    pub fn place_struct<T>(&mut self, of: &T) -> u32 {
        self.place_slice(core::slice::from_ref(of)).0
    }
}

#[cfg(target_arch = "wasm32")]
mod wasm {
    use super::Memory;
    use crate::{Guest, Plugin};
    use core::alloc::Layout;

    impl Memory {
        pub(super) fn pointer(&self, at: u32, n: u64) -> Option<*const u8> {
            if at == 0 || u64::from(at) + n > 1 << 32 {
                return None;
            }
            Some(at as *const u8)
        }
        pub fn place(&mut self, bytes: &[u8]) -> u32 {
            bytes.as_ptr() as u32
        }
        pub fn reset(&mut self) {}
    }

    #[link(wasm_import_module = "lestats_v1")]
    extern "C" {
        #[link_name = "log"]
        fn import_log(level: u32, text: *const u8, len: usize);
        #[link_name = "progress"]
        fn import_progress(done: i64, total: i64);
    }

    pub(crate) fn log(level: u32, text: &str) {
        // SAFETY: the host reads so many bytes and keeps nothing.
        unsafe { import_log(level, text.as_ptr(), text.len()) }
    }

    pub(crate) fn progress(done: i64, total: i64) {
        // SAFETY: it takes two integers.
        unsafe { import_progress(done, total) }
    }

    static mut GUEST: Option<Guest> = None;

    /// What [`crate::serve!`] exports.
    #[doc(hidden)]
    pub mod exports {
        use super::*;

        fn guest(plugin: &'static Plugin) -> &'static mut Guest {
            // SAFETY: an instance has one thread, and the host calls one export at a time.
            unsafe {
                GUEST.get_or_insert_with(|| {
                    #[cfg(feature = "std")]
                    std::panic::set_hook(std::boxed::Box::new(|info| log(3, &std::string::ToString::to_string(info))));
                    Guest::with(plugin, Memory {})
                })
            }
        }

        pub fn alloc(size: u32, align: u32) -> u32 {
            if !align.is_power_of_two() || align > crate::abi::COLUMN_ALIGN {
                return 0;
            }
            match Layout::from_size_align(size.max(1) as usize, align as usize) {
                // SAFETY: the size is not 0.
                Ok(layout) => unsafe { alloc::alloc::alloc(layout) as u32 },
                Err(_) => 0,
            }
        }
        pub fn describe(plugin: &'static Plugin) -> u64 {
            guest(plugin).describe()
        }
        pub fn open(plugin: &'static Plugin, at: u32, len: u32) -> u64 {
            guest(plugin).open(at, len)
        }
        pub fn answer(plugin: &'static Plugin, at: u32, len: u32) -> u64 {
            guest(plugin).answer(at, len)
        }
    }

    /// Hands out memory in ascending order and takes none back but from the end:
    /// after each job the host puts everything back.
    mod bump {
        use core::alloc::{GlobalAlloc, Layout};
        use core::arch::wasm32::{memory_grow, memory_size};

        extern "C" {
            static __heap_base: u8;
        }

        struct Bump;
        static mut USED: usize = 0;

        #[global_allocator]
        static BUMP: Bump = Bump;

        // SAFETY: what it returns lies in the memory and was handed out to nobody
        // else; an instance has one thread.
        unsafe impl GlobalAlloc for Bump {
            unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
                if USED == 0 {
                    USED = &__heap_base as *const u8 as usize;
                }
                let start = (USED as u64 + layout.align() as u64 - 1) & !(layout.align() as u64 - 1);
                let end = start + layout.size() as u64;
                let have = (memory_size(0) as u64) << 16;
                if end >= 1 << 32 || end > have && memory_grow(0, ((end - have + 0xFFFF) >> 16) as usize) == usize::MAX {
                    return core::ptr::null_mut();
                }
                USED = end as usize;
                start as usize as *mut u8
            }
            unsafe fn dealloc(&self, p: *mut u8, layout: Layout) {
                if p as usize + layout.size() == USED {
                    USED = p as usize;
                }
            }
            unsafe fn realloc(&self, p: *mut u8, layout: Layout, size: usize) -> *mut u8 {
                if p as usize + layout.size() == USED {
                    USED = p as usize; // in place
                }
                let to = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
                if to != p && !to.is_null() {
                    core::ptr::copy_nonoverlapping(p, to, layout.size().min(size));
                }
                to
            }
        }

        #[cfg(not(feature = "std"))]
        #[panic_handler]
        fn panic(info: &core::panic::PanicInfo) -> ! {
            super::log(3, &alloc::string::ToString::to_string(info));
            core::arch::wasm32::unreachable()
        }
    }
}
#[cfg(target_arch = "wasm32")]
pub use wasm::exports;
#[cfg(target_arch = "wasm32")]
pub(crate) use wasm::{log, progress};

#[cfg(not(target_arch = "wasm32"))]
mod native {
    use super::Memory;
    use crate::{Guest, Plugin};

    impl Memory {
        pub(super) fn pointer(&self, at: u32, n: u64) -> Option<*const u8> {
            if u64::from(at) + n > self.size as u64 {
                return None;
            }
            // SAFETY: it lies in the block.
            Some(unsafe { self.block.add(at as usize) })
        }
        pub fn place(&mut self, bytes: &[u8]) -> u32 {
            self.free = self.free.checked_sub(bytes.len()).expect("the memory is full") & !7;
            // SAFETY: it lies in the block, into which the plugin's own vectors do not reach.
            unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), self.block.add(self.free), bytes.len()) };
            self.free as u32
        }
        pub fn reset(&mut self) {
            self.free = self.size & !7;
        }
    }

    impl Guest {
        /// Runs a plugin natively in a block that stands for the linear
        /// memory: addresses are offsets into it.
        ///
        /// # Safety
        /// The block must be aligned to 64, below 4 GiB, and live as long as
        /// what is read through the guest; between its calls it may be written to.
        pub unsafe fn new(plugin: &'static Plugin, block: *mut u8, size: usize) -> Guest {
            Guest::with(plugin, Memory { block, size, free: size & !7 })
        }
    }

    pub(crate) fn log(_: u32, _: &str) {}
    pub(crate) fn progress(_: i64, _: i64) {}

    #[doc(hidden)]
    pub mod exports {}
}
#[cfg(not(target_arch = "wasm32"))]
pub use native::exports;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use native::{log, progress};

/// Makes a static [`crate::Plugin`] the one of this module.
#[macro_export]
macro_rules! serve {
    ($plugin:expr) => {
        #[cfg(target_arch = "wasm32")]
        #[no_mangle]
        pub extern "C" fn lestats_v1_alloc(size: u32, align: u32) -> u32 {
            $crate::exports::alloc(size, align)
        }
        #[cfg(target_arch = "wasm32")]
        #[no_mangle]
        pub extern "C" fn lestats_v1_describe() -> u64 {
            $crate::exports::describe(&$plugin)
        }
        #[cfg(target_arch = "wasm32")]
        #[no_mangle]
        pub extern "C" fn lestats_v1_open(at: u32, len: u32) -> u64 {
            $crate::exports::open(&$plugin, at, len)
        }
        #[cfg(target_arch = "wasm32")]
        #[no_mangle]
        pub extern "C" fn lestats_v1_answer(at: u32, len: u32) -> u64 {
            $crate::exports::answer(&$plugin, at, len)
        }
    };
}
