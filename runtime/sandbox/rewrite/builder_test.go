package rewrite

// A few words to write modules with in tests, malformed and invalid ones too.

func wasmOf(sections ...[]byte) []byte {
	m := []byte("\x00asm\x01\x00\x00\x00")
	for _, s := range sections {
		m = append(m, s...)
	}
	return m
}

// sized puts the length before the contents.
func sized(contents []byte) []byte {
	var c code
	c.u32(uint32(len(contents)))
	return append(c, contents...)
}

func section(id byte, contents []byte) []byte {
	return append([]byte{id}, sized(contents)...)
}

func vec(items ...[]byte) []byte {
	var c code
	c.u32(uint32(len(items)))
	for _, item := range items {
		c.bytes(item...)
	}
	return c
}

func types(ts ...[]byte) []byte { return section(1, vec(ts...)) }

func functype(params []valType, results ...valType) []byte {
	var c code
	c.bytes(0x60)
	c.valTypes(params)
	c.valTypes(results)
	return c
}

func imported(module, name string, kind byte, rest ...byte) []byte {
	var c code
	c.name(module)
	c.name(name)
	c.bytes(kind)
	return append(c, rest...)
}

func exported(name string, kind byte, index uint32) []byte {
	var c code
	c.name(name)
	c.bytes(kind)
	c.u32(index)
	return c
}

// function is a body without locals; end is added.
func function(instructions ...byte) []byte {
	c := append(code{0}, instructions...)
	c.op(opEnd)
	return sized(c)
}

// oneFunction is a module with a memory, a table, a mutable i64 global and one
// function, () -> (), exported as run.
func oneFunction(instructions ...byte) []byte {
	return wasmOf(
		types(functype(nil)),
		section(3, vec([]byte{0})),
		section(4, vec([]byte{byte(funcref), 0, 1})),
		section(5, vec([]byte{0, 1})),
		section(6, vec([]byte{byte(i64), 1, byte(opI64Const), 7, byte(opEnd)})),
		section(7, vec(exported("run", kindFunc, 0))),
		section(10, vec(function(instructions...))),
	)
}
