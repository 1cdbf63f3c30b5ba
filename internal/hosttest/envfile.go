package hosttest

// EnvFile is a text.
type EnvFile struct {
	Name, Text string
	// Systemd is what a unit gets.
	Systemd map[string]string
	// Fault is our reason not to read the text, empty where we read what systemd reads.
	Fault string
}

// EnvFiles lists the texts.
func EnvFiles() []EnvFile {
	type vars = map[string]string
	return []EnvFile{
		{"a plain value", "A=info\n", vars{"A": "info"}, ""},
		{"no line end at the end", "A=info", vars{"A": "info"}, ""},
		{"an empty value", "A=\nB=x\n", vars{"A": "", "B": "x"}, ""},
		{"blanks around key and value", "  A \t=  a b \t\nB=2\n", vars{"A": "a b", "B": "2"}, ""},
		{"the last of two lines", "A=1\nA=2\n", vars{"A": "2"}, ""},
		{"comments", "# A=1\n  ; A=2\nB=3\n", vars{"B": "3"}, ""},
		{"a # without a blank before it", "A=a#b\nB=#c\n", vars{"A": "a#b", "B": "#c"}, ""},
		{"a # inside quotes", "A=\"a #b\"\nB='#c'\n", vars{"A": "a #b", "B": "#c"}, ""},
		{"a # behind a backslash", "A=a \\#b\n", vars{"A": "a #b"}, ""},
		{"a semicolon in a value", "A=a ; b\n", vars{"A": "a ; b"}, ""},
		{"double quotes", `A="a b"` + "\n", vars{"A": "a b"}, ""},
		{"single quotes know no escape", `A='a\n"$B'` + "\n", vars{"A": `a\n"$B`}, ""},
		{"escapes in double quotes", `A="\"\\\$\` + "`" + `\n"` + "\n", vars{"A": "\"\\$`\\n"}, ""},
		{"quotes inside a value are itself", `A=x"y z"'w'` + "\n", vars{"A": `x"y z"'w'`}, ""},
		{"escapes outside quotes", `A=\a\ \"\\` + "\n", vars{"A": `a "\`}, ""},
		{"a blank at the end behind a backslash", "A=a\\ \nB=2\n", vars{"A": "a ", "B": "2"}, ""},
		{"a continued line", "A=a,\\\n  b\nB=2\n", vars{"A": "a,  b", "B": "2"}, ""},
		{"a continued line in double quotes", "A=\"a,\\\n  b\"\n", vars{"A": "a,  b"}, ""},
		{"a line end inside quotes", "A=\"a\nB=2\"\nC='3\n'\n", vars{"A": "a\nB=2", "C": "3\n"}, ""},
		{"nothing is expanded", "A=1\nB=$A ${A}\nC=\"$A\"\n", vars{"A": "1", "B": "$A ${A}", "C": "$A"}, ""},
		{"an equals sign in a value", "A=B=C\n", vars{"A": "B=C"}, ""},
		{"carriage returns", "A=1\r\nB=2\r\n", vars{"A": "1", "B": "2"}, ""},
		{"other letters", "A=\"Zürich 東京\"\n", vars{"A": "Zürich 東京"}, ""},
		{"a Latin-1 comment", "# Z\xfcrich\nA=1\n", vars{"A": "1"}, ""},

		{"a comment behind a value", "A=info  # quiet\n", vars{"A": "info  # quiet"}, "line 1 has a comment behind the value"},
		{"a comment behind a key", "B=1\nA= # none\n", vars{"A": "# none", "B": "1"}, "line 2 has a comment behind the value"},
		{"a comment behind quotes", "A=\"a b\" # quiet\n", vars{"A": "a b# quiet"}, "line 1 has text after the closing quote"},
		{"two quoted values", "A='a' \"b\"\n", vars{"A": "ab"}, "line 1 has text after the closing quote"},
		{"a quote without an end", "A=1\nB=\"2\nC=3\n", vars{"A": "1", "B": "2\nC=3\n"}, "line 2 begins a quoted value that has no end"},
		{"an export", "export A=1\nB=2\n", vars{"B": "2"}, "line 1 begins with `export`"},
		{"a colon", "A: 1\nB=2\n", vars{"B": "2"}, "line 1 is not KEY=VALUE"},
		{"a line without a value", "A=1\nhello\nB=2\n", vars{"A": "1", "B": "2"}, "line 2 is not KEY=VALUE"},
		{"a key that is not a name", "A-B=1\n1A=1\nB=2\n", vars{"B": "2"}, "line 1 is not KEY=VALUE"},
		{"no key", "=1\nB=2\n", vars{"B": "2"}, "line 1 is not KEY=VALUE"},
		{"a byte order mark", "\ufeffA=1\nB=2\n", vars{"B": "2"}, "line 1 is not KEY=VALUE"},
		{"a comment that ends in a backslash", "B=2\n# path C:\\\n\nA=1\n", vars{"A": "1", "B": "2"}, "line 2 is a comment that ends in a backslash"},
		{"a backslash at the end", "A=1\\", vars{"A": "1"}, "line 1 ends in a backslash, and no line follows"},
		{"a control character", "A=\"a\x07b\"\nB=2\n", vars{"A": "a\x07b", "B": "2"}, "line 1 has a value with a control character"},
		{"a carriage return inside quotes", "A=\"a\r\n\"\nB=2\n", vars{"A": "a\r\n", "B": "2"}, "line 1 has a value with a control character"},
	}
}
