// Prints what the cron parser of Kubernetes' CronJob makes of many lines: line, then the next five times in UTC, or
// "refused". Run: go run . > expected.tsv
package main

import (
	"fmt"
	"math/rand"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

var written = []string{
	"0 9 * * MON-FRI", "*/15 * * * *", "0 0 1,15 * *", "0 0 1,15 * MON", "0 0 1 * *", "0 0 * * 0", "0 0 29 2 *",
	"0 0 31 * *", "0 0 30 4,6 *", "0 0 */2 * MON", "0 0 */1 * MON", "0 0 1-31 * MON", "0 0 1,* * MON", "0 0 ? * ?",
	"0 0 13 * FRI", "0 0 * * 1-5/2", "5/15 * * * *", "5-20/15 3 * * *", "0 0-23/6 * * *", "*/90 * * * *", "0 */25 * * *",
	"0 0 */40 * *", "0 0 1 */5 *", "0 0 * JAN,mar-May sun,Sat", "0 0 1 * 0-6", "0 0 1 * 0/2", "0 0 10/5 * *",
	"59 23 31 12 *", "00 09 01 01 *", "0 9 * * 6", "0 0 28-31 2 *", "0 0 29 2 MON", "? ? ? ? ?", "*/1 */1 */1 */1 */1",
	"0 0 31 2,4 *", "0 0 31 2 MON", "0 12 1-7 * 2", "@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly",
	"60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 13 *", "* * * * 7", "* * * * 5-7", "* * * *",
	"* * * * * *", "*/0 * * * *", "0 22-2 * * *", "0 0 * * sat-sun", "0 0 20-10 * *", "H * * * *", "0 0 L * *",
	"0 0 * * 5#2", "0 0 15W * *", "0 9 * * monday", "@reboot", "@Daily", "a * * * *", "1- * * * *", "0-0 0-0 1-1 1-1 0-0",
}

func random(source *rand.Rand, low, high int) string {
	item := func() string {
		start := low + source.Intn(high-low+1)
		text := fmt.Sprint(start)
		switch source.Intn(5) {
		case 0:
			text = "*"
		case 1:
			text = fmt.Sprintf("%d-%d", start, start-2+source.Intn(high-start+3))
		}
		if source.Intn(4) == 0 {
			text += fmt.Sprintf("/%d", 1+source.Intn(high))
		}
		return text
	}
	items := []string{item()}
	for source.Intn(3) == 0 {
		items = append(items, item())
	}
	return strings.Join(items, ",")
}

func main() {
	source := rand.New(rand.NewSource(20261122))
	lines := written
	for i := 0; i < 600; i++ {
		day, month, weekday := random(source, 1, 31), random(source, 1, 12), random(source, 0, 6)
		lines = append(lines, strings.Join([]string{random(source, 0, 59), random(source, 0, 23), day, month, weekday}, " "))
	}
	start := time.Date(2026, 1, 30, 22, 47, 11, 0, time.UTC)
	for _, line := range lines {
		schedule, err := cron.ParseStandard(line)
		if err != nil {
			fmt.Printf("%s\trefused\n", line)
			continue
		}
		answer := []string{line}
		for next, i := start, 0; i < 5; i++ {
			if next = schedule.Next(next); next.IsZero() {
				answer = append(answer, "never")
				break
			}
			answer = append(answer, next.Format("2006-01-02T15:04Z"))
		}
		fmt.Println(strings.Join(answer, "\t"))
	}
}
