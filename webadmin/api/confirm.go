package api

// confirmed requires that a request names the operation that it is for. People are asked
// at the dashboard and by the commands; a script with an API key is not, and neither is
// curl at the local admin socket.
func confirmed(said, operation, means string) error {
	if said == operation {
		return nil
	}
	return invalid("confirm", `must be "`+operation+`": `+means)
}
